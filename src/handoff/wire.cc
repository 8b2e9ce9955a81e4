#include "wire.h"

#include <algorithm>
#include <limits>

#include "baton/v1/handoff.pb.h"
#include "failure_names.h"
#include "frame.h"

namespace baton::handoff {
namespace {

/// Longer texts are cut when sent and refused when received.
constexpr size_t kMaxTextBytes = 4096;
constexpr int kMaxStopTokens = 4096;

std::string Cut(const std::string& text) { return text.substr(0, kMaxTextBytes); }

uint64_t Microseconds(Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(0, duration.count() / 1000));
}

/// Longer times are cut, so that sums of them do not overflow.
Duration FromMicroseconds(uint64_t us) {
  constexpr Duration kLongest = std::chrono::hours(24);
  return std::chrono::microseconds(std::min(us, Microseconds(kLongest)));
}

int64_t CountFromProto(uint64_t count) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::min(count, kMost));
}

template <typename Proto>
void SetHeader(const Envelope& from, Proto& to) {
  v1::HandoffHeader& header = *to.mutable_header();
  header.set_from_epoch_high(from.from.high);
  header.set_from_epoch_low(from.from.low);
  header.set_to_epoch_high(from.to.high);
  header.set_to_epoch_low(from.to.low);
  header.set_connection(from.connection);
  header.set_handoff(Index(from.handoff));
}

Envelope GetHeader(const v1::HandoffHeader& from) {
  return {{from.from_epoch_high(), from.from_epoch_low()},
          {from.to_epoch_high(), from.to_epoch_low()},
          from.connection(),
          HandoffId{from.handoff()}};
}

void ToProto(const SamplingParams& from, v1::Offer::Sampling& to) {
  to.set_temperature(from.temperature);
  to.set_top_k(from.top_k);
  to.set_top_p(from.top_p);
  to.set_min_p(from.min_p);
  to.set_repetition_penalty(from.repetition_penalty);
  to.set_frequency_penalty(from.frequency_penalty);
  to.set_presence_penalty(from.presence_penalty);
  to.set_seed(from.seed);
  to.set_max_tokens(from.max_tokens);
  to.set_min_tokens(from.min_tokens);
  to.set_ignore_eos(from.ignore_eos);
  to.mutable_stop_token_ids()->Assign(from.stop_token_ids.begin(), from.stop_token_ids.end());
  to.set_logprobs(from.logprobs);
  for (const LogitBias& bias : from.logit_bias) {
    v1::Offer::LogitBias* added = to.add_logit_bias();
    added->set_token(bias.token);
    added->set_bias(bias.bias);
  }
}

SamplingParams FromProto(const v1::Offer::Sampling& from) {
  SamplingParams to;
  to.temperature = from.temperature();
  to.top_k = from.top_k();
  to.top_p = from.top_p();
  to.min_p = from.min_p();
  to.repetition_penalty = from.repetition_penalty();
  to.frequency_penalty = from.frequency_penalty();
  to.presence_penalty = from.presence_penalty();
  to.seed = from.seed();
  to.max_tokens = from.max_tokens();
  to.min_tokens = from.min_tokens();
  to.ignore_eos = from.ignore_eos();
  to.stop_token_ids.assign(from.stop_token_ids().begin(), from.stop_token_ids().end());
  to.logprobs = from.logprobs();
  for (const v1::Offer::LogitBias& bias : from.logit_bias()) {
    to.logit_bias.push_back({.token = bias.token(), .bias = bias.bias()});
  }
  return to;
}

void AddRuns(const std::vector<BlockId>& blocks, v1::Offer& to) {
  v1::Offer::BlockRun* run = nullptr;
  for (const BlockId block : blocks) {
    if (run != nullptr && Index(block) == run->first() + run->count()) {
      run->set_count(run->count() + 1);
      continue;
    }
    run = to.add_blocks();
    run->set_first(Index(block));
    run->set_count(1);
  }
}

/// False unless the runs are sound and, together, no longer than `limit`.
bool GetRuns(const v1::Offer& from, size_t limit, std::vector<BlockId>& to) {
  for (const v1::Offer::BlockRun& run : from.blocks()) {
    if (run.first() < 0 || run.count() <= 0 ||
        run.first() > std::numeric_limits<int32_t>::max() - run.count() ||
        static_cast<size_t>(run.count()) > limit - to.size()) {
      return false;
    }
    for (int32_t i = 0; i < run.count(); ++i) to.push_back(BlockId{run.first() + i});
  }
  return true;
}

std::string BodyOf(const Envelope& envelope, const Offer& offer) {
  v1::Offer proto;
  SetHeader(envelope, proto);
  proto.set_request_id(Cut(offer.request.id));
  proto.mutable_prompt()->Assign(offer.request.prompt.begin(), offer.request.prompt.end());
  proto.set_emitted_tokens(offer.request.emitted_tokens);
  ToProto(offer.request.sampling, *proto.mutable_sampling());
  proto.set_cache_salt(offer.request.cache_salt);
  proto.set_priority(offer.request.priority);
  AddRuns(offer.blocks, proto);
  proto.set_cached_tokens(offer.cached_tokens);
  proto.set_lease_ms(static_cast<uint32_t>(Microseconds(offer.lease) / 1000));
  proto.set_checksums(offer.checksums);
  proto.set_trace(offer.request.trace);
  if (offer.request.context.valid()) {
    proto.set_traceparent(Traceparent(offer.request.context));
    proto.set_tracestate(offer.request.context.state);
  }
  proto.set_grammar(offer.request.grammar);
  return proto.SerializeAsString();
}

bool FromProto(const v1::Offer& from, Offer& to) {
  if (from.request_id().size() > kMaxTextBytes ||
      from.sampling().stop_token_ids_size() > kMaxStopTokens ||
      from.grammar().size() > Request::kMaxGrammarBytes) {
    return false;
  }
  to.request.id = from.request_id();
  to.request.prompt.assign(from.prompt().begin(), from.prompt().end());
  to.request.emitted_tokens = from.emitted_tokens();
  to.request.sampling = FromProto(from.sampling());
  to.request.cache_salt = from.cache_salt();
  to.request.priority = from.priority();
  to.request.trace = from.trace();
  to.request.context = ReadTraceContext(from.traceparent(), from.tracestate());
  to.request.grammar = from.grammar();
  to.cached_tokens = from.cached_tokens();
  to.lease = std::chrono::milliseconds(from.lease_ms());
  to.checksums = from.checksums();
  return GetRuns(from, to.request.prompt.size(), to.blocks);
}

std::string BodyOf(const Envelope& envelope, const Refuse& refuse) {
  v1::Refuse proto;
  SetHeader(envelope, proto);
  proto.set_code(static_cast<int32_t>(refuse.status.code()));
  proto.set_message(Cut(refuse.status.message()));
  return proto.SerializeAsString();
}

/// False unless the code is an error's.
bool GetStatus(int32_t code, const std::string& message, Status& to) {
  if (code <= 0 || code > static_cast<int32_t>(StatusCode::kUnauthenticated)) return false;
  if (message.size() > kMaxTextBytes) return false;
  to = Status(static_cast<StatusCode>(code), message);
  return true;
}

bool FromProto(const v1::Refuse& from, Refuse& to) {
  return GetStatus(from.code(), from.message(), to.status);
}

std::string BodyOf(const Envelope& envelope, const Progress& progress) {
  v1::Progress proto;
  SetHeader(envelope, proto);
  proto.set_tokens(progress.tokens);
  return proto.SerializeAsString();
}

bool FromProto(const v1::Progress& from, Progress& to) {
  to.tokens = from.tokens();
  return to.tokens >= 0;
}

void ToProto(const TokenOutput& from, v1::Commit::Token& to) {
  to.set_token(from.token);
  to.set_position(from.position);
  to.set_finish(static_cast<int32_t>(from.finish));
  if (from.logprob) to.set_logprob(*from.logprob);
  for (const TokenLogprob& candidate : from.top_logprobs) {
    v1::Commit::Logprob* logprob = to.add_top_logprobs();
    logprob->set_token(candidate.token);
    logprob->set_logprob(candidate.logprob);
  }
  to.set_cached_tokens(from.cached_tokens);
}

bool FromProto(const v1::Commit::Token& from, TokenOutput& to) {
  if (from.token() < 0 || from.finish() < 0 ||
      from.finish() > static_cast<int32_t>(FinishReason::kLength) ||
      from.top_logprobs_size() > SamplingParams::kMaxTopLogprobs) {
    return false;
  }
  to.token = from.token();
  to.position = from.position();
  to.finish = static_cast<FinishReason>(from.finish());
  if (from.has_logprob()) to.logprob = from.logprob();
  for (const v1::Commit::Logprob& candidate : from.top_logprobs()) {
    to.top_logprobs.push_back({candidate.token(), candidate.logprob()});
  }
  to.cached_tokens = from.cached_tokens();
  return true;
}

std::string BodyOf(const Envelope& envelope, const Commit& commit) {
  v1::Commit proto;
  SetHeader(envelope, proto);
  proto.set_blocks(commit.blocks);
  proto.set_prompt_tokens(commit.prompt_tokens);
  ToProto(commit.first, *proto.mutable_first());
  proto.mutable_checksums()->Assign(commit.checksums.begin(), commit.checksums.end());
  proto.set_queued_us(Microseconds(commit.stages.queued));
  proto.set_prefill_us(Microseconds(commit.stages.prefill));
  proto.set_transfer_us(Microseconds(commit.stages.transfer));
  proto.set_bytes(static_cast<uint64_t>(commit.transfer.bytes));
  proto.set_descriptors(static_cast<uint64_t>(commit.transfer.descriptors));
  if (commit.trace) proto.set_trace(telemetry::SerializeTrace(*commit.trace));
  return proto.SerializeAsString();
}

bool FromProto(const v1::Commit& from, Commit& to) {
  to.blocks = from.blocks();
  to.prompt_tokens = from.prompt_tokens();
  to.checksums.assign(from.checksums().begin(), from.checksums().end());
  to.stages.queued = FromMicroseconds(from.queued_us());
  to.stages.prefill = FromMicroseconds(from.prefill_us());
  to.stages.transfer = FromMicroseconds(from.transfer_us());
  to.transfer.bytes = CountFromProto(from.bytes());
  to.transfer.descriptors = CountFromProto(from.descriptors());
  to.transfer.blocks = from.blocks();
  if (!from.trace().empty()) {
    to.trace = telemetry::ParseTrace(from.trace());
    if (!to.trace) return false;
  }
  return from.has_first() && FromProto(from.first(), to.first);
}

std::string BodyOf(const Envelope& envelope, const Abort& abort) {
  v1::Abort proto;
  SetHeader(envelope, proto);
  proto.set_code(static_cast<int32_t>(abort.status.code()));
  proto.set_message(Cut(abort.status.message()));
  if (abort.by_prefill) proto.set_failure(std::string(FailureName(abort.failure)));
  return proto.SerializeAsString();
}

bool FromProto(const v1::Abort& from, Abort& to) {
  to.failure = FailureNamed(from.failure());
  return GetStatus(from.code(), from.message(), to.status);
}

std::string BodyOf(const Envelope& envelope, const AbortAck&) {
  v1::AbortAck proto;
  SetHeader(envelope, proto);
  return proto.SerializeAsString();
}

bool FromProto(const v1::AbortAck&, AbortAck&) { return true; }

Kind KindOf(const Offer&) { return Kind::kOffer; }
Kind KindOf(const Refuse&) { return Kind::kRefuse; }
Kind KindOf(const Progress&) { return Kind::kProgress; }
Kind KindOf(const Commit&) { return Kind::kCommit; }
Kind KindOf(const Abort& abort) {
  return abort.by_prefill ? Kind::kAbortByPrefill : Kind::kAbortByDecode;
}
Kind KindOf(const AbortAck&) { return Kind::kAbortAck; }

template <typename Proto, typename Body>
Decoded DecodeBody(std::span<const std::byte> bytes, Body body = {}) {
  Proto proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !proto.has_header() ||
      !FromProto(proto, body)) {
    return Ignored::kMalformed;
  }
  return Message{GetHeader(proto.header()), std::move(body)};
}

}  // namespace

std::string Encode(const Message& message) {
  return std::visit(
      [&](const auto& body) { return MakeFrame(KindOf(body), BodyOf(message.envelope, body)); },
      message.body);
}

Decoded Decode(std::span<const std::byte> bytes) {
  if (bytes.size() > transport::Transport::kMaxMessageBytes) return Ignored::kMalformed;
  const std::variant<Frame, Ignored> read = ReadFrame(bytes);
  if (const Ignored* ignored = std::get_if<Ignored>(&read)) return *ignored;
  const Frame& frame = std::get<Frame>(read);
  switch (frame.kind) {
    case Kind::kOffer: return DecodeBody<v1::Offer, Offer>(frame.body);
    case Kind::kRefuse: return DecodeBody<v1::Refuse, Refuse>(frame.body);
    case Kind::kProgress: return DecodeBody<v1::Progress, Progress>(frame.body);
    case Kind::kCommit: return DecodeBody<v1::Commit, Commit>(frame.body);
    case Kind::kAbortByDecode: return DecodeBody<v1::Abort, Abort>(frame.body);
    case Kind::kAbortByPrefill:
      return DecodeBody<v1::Abort, Abort>(frame.body, Abort{.by_prefill = true, .status = {}});
    case Kind::kAbortAck: return DecodeBody<v1::AbortAck, AbortAck>(frame.body);
  }
  return Ignored::kMalformed;
}

}  // namespace baton::handoff
