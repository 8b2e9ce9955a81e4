#include "convert.h"

#include <algorithm>
#include <limits>

namespace baton::rpc {
namespace {

uint64_t Microseconds(Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(0, duration.count() / 1000));
}

Duration FromMicroseconds(uint64_t us) {
  constexpr uint64_t kLongest = std::numeric_limits<int64_t>::max() / 1000;
  return std::chrono::microseconds(std::min(us, kLongest));
}

uint64_t Nanoseconds(Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(0, duration.count()));
}

Duration FromNanoseconds(uint64_t ns) {
  constexpr uint64_t kLongest = std::numeric_limits<int64_t>::max();
  return Duration(static_cast<int64_t>(std::min(ns, kLongest)));
}

std::string EpochBytes(const Epoch& epoch) {
  std::string bytes(16, '\0');
  for (size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(epoch.high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<char>(epoch.low >> (56 - 8 * i));
  }
  return bytes;
}

Result<Epoch> ParseEpochBytes(const std::string& bytes) {
  if (bytes.size() != 16) return InvalidArgument("a worker's epoch has 16 bytes");
  Epoch epoch;
  for (size_t i = 0; i < 8; ++i) {
    epoch.high = epoch.high << 8 | static_cast<uint8_t>(bytes[i]);
    epoch.low = epoch.low << 8 | static_cast<uint8_t>(bytes[8 + i]);
  }
  return epoch;
}

void ToProto(const kv::KvGeometry& from, v1::KvGeometry* to) {
  to->set_layers(from.layers);
  to->set_kv_heads(from.kv_heads);
  to->set_head_dim(from.head_dim);
  to->set_block_tokens(from.block_tokens);
  to->set_dtype(std::string(DTypeName(from.dtype)));
  to->set_tp_size(from.tp_size);
  to->set_layout_version(from.layout_version);
}

Result<kv::KvGeometry> FromProto(const v1::KvGeometry& from) {
  BATON_ASSIGN_OR_RETURN(const DType dtype, ParseDType(from.dtype()));
  return kv::KvGeometry{.layers = from.layers(),
                        .kv_heads = from.kv_heads(),
                        .head_dim = from.head_dim(),
                        .block_tokens = from.block_tokens(),
                        .dtype = dtype,
                        .tp_size = from.tp_size(),
                        .layout_version = from.layout_version()};
}

void ToProto(const SamplingParams& from, v1::SamplingParams* to) {
  to->set_temperature(from.temperature);
  to->set_top_k(from.top_k);
  to->set_top_p(from.top_p);
  to->set_min_p(from.min_p);
  to->set_repetition_penalty(from.repetition_penalty);
  to->set_frequency_penalty(from.frequency_penalty);
  to->set_presence_penalty(from.presence_penalty);
  to->set_seed(from.seed);
  to->set_max_tokens(from.max_tokens);
  to->set_min_tokens(from.min_tokens);
  to->set_ignore_eos(from.ignore_eos);
  to->mutable_stop_token_ids()->Add(from.stop_token_ids.begin(), from.stop_token_ids.end());
  to->set_logprobs(from.logprobs);
  if (from.prompt_logprobs != -1) to->set_prompt_logprobs(from.prompt_logprobs);
  for (const LogitBias& bias : from.logit_bias) {
    v1::LogitBias* added = to->add_logit_bias();
    added->set_token(bias.token);
    added->set_bias(bias.bias);
  }
}

SamplingParams FromProto(const v1::SamplingParams& from) {
  SamplingParams to{.temperature = from.temperature(),
                    .top_k = from.top_k(),
                    .top_p = from.top_p(),
                    .min_p = from.min_p(),
                    .repetition_penalty = from.repetition_penalty(),
                    .frequency_penalty = from.frequency_penalty(),
                    .presence_penalty = from.presence_penalty(),
                    .seed = from.seed(),
                    .max_tokens = from.max_tokens(),
                    .min_tokens = from.min_tokens(),
                    .ignore_eos = from.ignore_eos(),
                    .stop_token_ids = {from.stop_token_ids().begin(), from.stop_token_ids().end()},
                    .logprobs = from.logprobs()};
  if (from.has_prompt_logprobs()) to.prompt_logprobs = from.prompt_logprobs();
  for (const v1::LogitBias& bias : from.logit_bias()) {
    to.logit_bias.push_back({.token = bias.token(), .bias = bias.bias()});
  }
  return to;
}

/// A reason of a later build ends the output all the same.
FinishReason FinishFromProto(int32_t finish) {
  if (finish == static_cast<int32_t>(FinishReason::kNone)) return FinishReason::kNone;
  return finish == static_cast<int32_t>(FinishReason::kLength) ? FinishReason::kLength
                                                               : FinishReason::kStop;
}

/// A type of a later build shows as a gauge.
telemetry::MetricType TypeFromProto(int32_t type) {
  using telemetry::MetricType;
  for (const MetricType known : {MetricType::kCounter, MetricType::kHistogram}) {
    if (type == static_cast<int32_t>(known)) return known;
  }
  return MetricType::kGauge;
}

void ToProto(const telemetry::MetricSample& from, v1::MetricSample* to) {
  for (const auto& [name, value] : from.labels) (*to->mutable_labels())[name] = value;
  to->set_value(from.value);
  to->mutable_upper_bounds()->Add(from.upper_bounds.begin(), from.upper_bounds.end());
  to->mutable_cumulative_counts()->Add(from.cumulative_counts.begin(),
                                       from.cumulative_counts.end());
  to->set_sum(from.sum);
  to->set_count(from.count);
}

telemetry::MetricSample FromProto(const v1::MetricSample& from) {
  telemetry::MetricSample to{
      .labels = {from.labels().begin(), from.labels().end()},
      .value = from.value(),
      .upper_bounds = {from.upper_bounds().begin(), from.upper_bounds().end()},
      .cumulative_counts = {from.cumulative_counts().begin(), from.cumulative_counts().end()},
      .sum = from.sum(),
      .count = from.count()};
  std::sort(to.labels.begin(), to.labels.end());
  return to;
}

void ToProto(const telemetry::MetricFamily& from, v1::MetricFamily* to) {
  to->set_name(from.name);
  to->set_help(from.help);
  to->set_type(static_cast<int>(from.type));
  for (const auto& sample : from.samples) ToProto(sample, to->add_samples());
}

telemetry::MetricFamily FromProto(const v1::MetricFamily& from) {
  telemetry::MetricFamily to{
      .name = from.name(), .help = from.help(), .type = TypeFromProto(from.type())};
  for (const auto& sample : from.samples()) to.samples.push_back(FromProto(sample));
  return to;
}

void ToProto(const cost::StepSample& from, v1::StepSample* to) {
  to->set_number(from.number);
  to->set_prefill_tokens(from.shape.prefill_tokens);
  to->set_prefill_attended(from.shape.prefill_attended);
  to->set_decode_sequences(from.shape.decode_sequences);
  to->set_decode_context(from.shape.decode_context);
  to->set_took_ns(Nanoseconds(from.took));
}

cost::StepSample FromProto(const v1::StepSample& from) {
  return {.number = from.number(),
          .shape = {.prefill_tokens = from.prefill_tokens(),
                    .prefill_attended = from.prefill_attended(),
                    .decode_sequences = from.decode_sequences(),
                    .decode_context = from.decode_context()},
          .took = FromNanoseconds(from.took_ns())};
}

void ToProto(const HandoffSample& from, v1::HandoffSample* to) {
  to->set_number(from.number);
  to->set_peer(from.peer);
  to->set_bytes(from.bytes);
  to->set_took_ns(Nanoseconds(from.took));
}

HandoffSample FromProto(const v1::HandoffSample& from) {
  return {.number = from.number(),
          .peer = from.peer(),
          .bytes = from.bytes(),
          .took = FromNanoseconds(from.took_ns())};
}

void ToProto(const WorkerLoad& from, v1::WorkerStatus::Load* to) {
  to->set_prefill_tokens(from.prefill_tokens);
  to->set_decode_sequences(from.decode_sequences);
  to->set_decode_context(from.decode_context);
  to->set_available_blocks(from.available_blocks);
}

WorkerLoad FromProto(const v1::WorkerStatus::Load& from) {
  return {.prefill_tokens = from.prefill_tokens(),
          .decode_sequences = from.decode_sequences(),
          .decode_context = from.decode_context(),
          .available_blocks = from.available_blocks()};
}

void ToProto(const kv::PrefixUpdate& from, v1::PrefixUpdate* to) {
  to->set_number(from.number);
  to->set_reset(from.reset);
  for (const kv::PrefixChange& change : from.changes) {
    to->add_keys(Index(change.key));
    to->add_stored(change.stored);
  }
}

kv::PrefixUpdate FromProto(const v1::PrefixUpdate& from) {
  kv::PrefixUpdate to{.number = from.number(), .reset = from.reset()};
  const int count = std::min(from.keys_size(), from.stored_size());
  for (int i = 0; i < count; ++i) {
    to.changes.push_back({.key = kv::PrefixKey{from.keys(i)}, .stored = from.stored(i)});
  }
  return to;
}

}  // namespace

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  v1::ErrorScope scope;
  switch (status.blast()) {
    case Blast::kRequest: scope.set_blast(v1::ErrorScope::REQUEST); break;
    case Blast::kPeer: scope.set_blast(v1::ErrorScope::PEER); break;
    case Blast::kWorker: scope.set_blast(v1::ErrorScope::WORKER); break;
  }
  return {static_cast<grpc::StatusCode>(status.code()), status.message(),
          scope.SerializeAsString()};
}

Status FromGrpc(const grpc::Status& status) {
  const Status from(static_cast<StatusCode>(status.error_code()), status.error_message());
  if (from.ok()) return from;
  v1::ErrorScope scope;
  if (!scope.ParseFromString(status.error_details())) scope.Clear();
  switch (scope.blast()) {
    case v1::ErrorScope::REQUEST: return from;
    case v1::ErrorScope::PEER: return from.WithBlast(Blast::kPeer);
    default: return from.WithBlast(Blast::kWorker);  // Its connection broke, at the least.
  }
}

void ToProto(const WorkerDescription& from, v1::WorkerDescription* to) {
  to->set_protocol_version(from.identity.protocol_version);
  to->set_name(from.identity.name);
  to->set_role(static_cast<v1::Role>(from.role));
  to->set_epoch(EpochBytes(from.identity.epoch));
  to->set_model_fingerprint(from.identity.fingerprint);
  ToProto(from.identity.geometry, to->mutable_geometry());
  to->set_context_tokens(from.context_tokens);
  to->set_vocabulary_size(from.vocabulary_size);
  to->set_transport_address(from.transport_address);
  to->set_kv_blocks(from.limits.kv_blocks);
  to->set_running_sequences(from.limits.running_sequences);
  to->set_step_tokens(from.limits.step_tokens);
  for (const cost::StepSample& step : from.calibration) ToProto(step, to->add_calibration());
}

Result<WorkerDescription> FromProto(const v1::WorkerDescription& from) {
  if (!v1::Role_IsValid(from.role())) {
    return InvalidArgument("unknown role " + std::to_string(from.role()) + " of worker '" +
                           from.name() + "'");
  }
  BATON_ASSIGN_OR_RETURN(const Epoch epoch, ParseEpochBytes(from.epoch()));
  BATON_ASSIGN_OR_RETURN(const kv::KvGeometry geometry, FromProto(from.geometry()));
  WorkerDescription to{.identity = {.protocol_version = from.protocol_version(),
                                    .epoch = epoch,
                                    .name = from.name(),
                                    .fingerprint = from.model_fingerprint(),
                                    .geometry = geometry},
                       .role = static_cast<Role>(from.role()),
                       .context_tokens = from.context_tokens(),
                       .vocabulary_size = from.vocabulary_size(),
                       .transport_address = from.transport_address(),
                       .limits = {.kv_blocks = from.kv_blocks(),
                                  .running_sequences = from.running_sequences(),
                                  .step_tokens = from.step_tokens()}};
  for (const auto& step : from.calibration()) to.calibration.push_back(FromProto(step));
  return to;
}

void ToProto(const JoinHello& from, v1::JoinHello* to) {
  ToProto(from.worker, to->mutable_worker());
  to->set_connection(from.connection);
  to->set_silence_ms(static_cast<uint32_t>(from.silence.count()));
  to->set_leaving(from.leaving);
}

Result<JoinHello> FromProto(const v1::JoinHello& from) {
  BATON_ASSIGN_OR_RETURN(WorkerDescription worker, FromProto(from.worker()));
  return JoinHello{.worker = std::move(worker),
                   .connection = from.connection(),
                   .silence = std::chrono::milliseconds(from.silence_ms()),
                   .leaving = from.leaving()};
}

void ToProto(const GenerateCall& from, v1::GenerateRequest* to) {
  to->set_request_id(from.request.id);
  to->mutable_prompt()->Add(from.request.prompt.begin(), from.request.prompt.end());
  to->set_emitted_tokens(from.request.emitted_tokens);
  ToProto(from.request.sampling, to->mutable_sampling());
  to->set_cache_salt(from.request.cache_salt);
  to->set_priority(from.request.priority);
  to->set_prefill_peer(from.prefill_peer);
  to->set_reason(from.reason);
  to->set_timings(from.request.timings);
  to->set_trace(from.request.trace);
  if (from.request.context.valid()) {
    to->set_traceparent(Traceparent(from.request.context));
    to->set_tracestate(from.request.context.state);
  }
  to->set_grammar(from.request.grammar);
}

GenerateCall FromProto(const v1::GenerateRequest& from) {
  return {.request = {.id = from.request_id(),
                      .prompt = {from.prompt().begin(), from.prompt().end()},
                      .emitted_tokens = from.emitted_tokens(),
                      .sampling = FromProto(from.sampling()),
                      .grammar = from.grammar(),
                      .cache_salt = from.cache_salt(),
                      .priority = from.priority(),
                      .timings = from.timings(),
                      .trace = from.trace(),
                      .context = ReadTraceContext(from.traceparent(), from.tracestate())},
          .prefill_peer = from.prefill_peer(),
          .reason = from.reason()};
}

void ToProto(const TokenOutput& from, v1::Token* to) {
  to->set_token(from.token);
  to->set_position(from.position);
  to->set_finish(static_cast<int32_t>(from.finish));
  if (from.logprob) to->set_logprob(*from.logprob);
  for (const TokenLogprob& top : from.top_logprobs) {
    v1::TokenLogprob* added = to->add_top_logprobs();
    added->set_token(top.token);
    added->set_logprob(top.logprob);
  }
  to->set_cached_tokens(from.cached_tokens);
}

TokenOutput FromProto(const v1::Token& from) {
  TokenOutput to{.token = from.token(),
                 .position = from.position(),
                 .finish = FinishFromProto(from.finish()),
                 .cached_tokens = from.cached_tokens()};
  if (from.has_logprob()) to.logprob = from.logprob();
  for (const v1::TokenLogprob& top : from.top_logprobs()) {
    to.top_logprobs.push_back({.token = top.token(), .logprob = top.logprob()});
  }
  return to;
}

void ToProto(std::span<const PromptLogprob> from, v1::PromptLogprobs* to) {
  for (const PromptLogprob& logprob : from) {
    v1::PromptLogprobs::Entry* entry = to->add_entries();
    entry->set_logprob(logprob.logprob);
    entry->set_rank(logprob.rank);
    for (const TokenLogprob& top : logprob.top) {
      v1::TokenLogprob* added = entry->add_top();
      added->set_token(top.token);
      added->set_logprob(top.logprob);
    }
  }
}

void AppendFromProto(const v1::PromptLogprobs& from, PromptLogprobs& to) {
  for (const v1::PromptLogprobs::Entry& entry : from.entries()) {
    PromptLogprob& logprob = to.emplace_back();
    logprob.logprob = entry.logprob();
    logprob.rank = entry.rank();
    for (const v1::TokenLogprob& top : entry.top()) {
      logprob.top.push_back({.token = top.token(), .logprob = top.logprob()});
    }
  }
}

void ToProto(const GenerateReport& from, v1::Report* to) {
  if (from.timings) {
    const handoff::Stages& stages = from.timings->stages;
    v1::Report::Timings& timings = *to->mutable_timings();
    timings.set_reserve_us(Microseconds(from.timings->reserve));
    timings.set_queued_us(Microseconds(stages.queued));
    timings.set_prefill_us(Microseconds(stages.prefill));
    timings.set_transfer_us(Microseconds(stages.transfer));
    timings.set_commit_us(Microseconds(stages.commit));
  }
  for (const telemetry::ProcessTrace& trace : from.traces) {
    to->add_traces(telemetry::SerializeTrace(trace));
  }
}

GenerateReport FromProto(const v1::Report& from) {
  GenerateReport to;
  if (from.has_timings()) {
    const v1::Report::Timings& timings = from.timings();
    to.timings = {.reserve = FromMicroseconds(timings.reserve_us()),
                  .stages = {.queued = FromMicroseconds(timings.queued_us()),
                             .prefill = FromMicroseconds(timings.prefill_us()),
                             .transfer = FromMicroseconds(timings.transfer_us()),
                             .commit = FromMicroseconds(timings.commit_us())}};
  }
  for (const std::string& bytes : from.traces()) {
    auto trace = telemetry::ParseTrace(bytes);
    if (trace) to.traces.push_back(*std::move(trace));
  }
  return to;
}

void ToProto(const WorkerStatus& from, v1::WorkerStatus* to) {
  to->set_running(from.running);
  to->set_waiting(from.waiting);
  to->set_draining(from.draining);
  for (const std::string& peer : from.joined_peers) to->add_joined_peers(peer);
  for (const JoinProblem& from_problem : from.join_problems) {
    v1::JoinProblem* problem = to->add_join_problems();
    problem->set_peer(from_problem.peer);
    problem->set_problem(from_problem.problem);
  }
  for (const PeerAddress& peer : from.peers) {
    v1::Peer* added = to->add_peers();
    added->set_name(peer.name);
    added->set_address(peer.address);
  }
  for (const auto& family : from.metrics.families) ToProto(family, to->add_metrics());
  ToProto(from.load, to->mutable_load());
  for (const cost::StepSample& step : from.steps) ToProto(step, to->add_steps());
  for (const HandoffSample& handoff : from.handoffs) ToProto(handoff, to->add_handoffs());
  if (from.prefixes.number != 0) ToProto(from.prefixes, to->mutable_prefixes());
  if (from.role) to->set_role(static_cast<v1::Role>(*from.role));
  if (from.changing_to) to->set_changing_to(static_cast<v1::Role>(*from.changing_to));
  for (const LoopProgress& from_loop : from.loops) {
    v1::WorkerStatus::Loop* loop = to->add_loops();
    loop->set_name(from_loop.name);
    loop->set_turns(from_loop.turns);
    loop->set_busy(from_loop.busy);
  }
}

WorkerStatus FromProto(const v1::WorkerStatus& from) {
  WorkerStatus to{.running = from.running(),
                  .waiting = from.waiting(),
                  .draining = from.draining(),
                  .joined_peers = {from.joined_peers().begin(), from.joined_peers().end()}};
  for (const auto& problem : from.join_problems()) {
    to.join_problems.push_back({problem.peer(), problem.problem()});
  }
  for (const auto& peer : from.peers()) to.peers.push_back({peer.name(), peer.address()});
  for (const auto& family : from.metrics()) to.metrics.families.push_back(FromProto(family));
  to.load = FromProto(from.load());
  for (const auto& step : from.steps()) to.steps.push_back(FromProto(step));
  for (const auto& handoff : from.handoffs()) to.handoffs.push_back(FromProto(handoff));
  to.prefixes = FromProto(from.prefixes());
  // A role of a later build is none that a router could choose by.
  if (from.has_role() && v1::Role_IsValid(from.role())) to.role = static_cast<Role>(from.role());
  if (from.has_changing_to() && v1::Role_IsValid(from.changing_to())) {
    to.changing_to = static_cast<Role>(from.changing_to());
  }
  for (const auto& loop : from.loops()) {
    to.loops.push_back({.name = loop.name(), .turns = loop.turns(), .busy = loop.busy()});
  }
  return to;
}

}  // namespace baton::rpc
