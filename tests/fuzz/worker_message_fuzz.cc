// What routers and workers say to each other over gRPC, from bytes to Baton's own types and on to
// what the router does with them first.
#include "baton/base/check.h"
#include "baton/telemetry/metrics.h"
#include "convert.h"
#include "fuzz_target.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

enum Kind : uint8_t { kJoin, kGenerate, kToken, kStatus, kPromptLogprobs, kKinds };

template <typename Domain, typename Proto>
std::string Encode(uint8_t kind, const Domain& value) {
  Proto proto;
  rpc::ToProto(value, &proto);
  return InputWriter().Byte(kind).Rest(proto.SerializeAsString()).bytes();
}

rpc::WorkerDescription Worker() {
  return {.identity = {.protocol_version = handoff::kProtocolVersion,
                       .epoch = {1, 2},
                       .name = "p0",
                       .fingerprint = "f",
                       .geometry = {.layers = 2, .kv_heads = 2, .head_dim = 8, .block_tokens = 4}},
          .role = Role::kPrefill,
          .context_tokens = 2048,
          .vocabulary_size = 512,
          .transport_address = "address"};
}

rpc::WorkerStatus BusyStatus() {
  telemetry::MetricRegistry metrics(telemetry::Labels{{"worker", "p0"}});
  metrics.AddCounter("a_total", "Help.", {{"x", "y"}}).Add(2);
  metrics.AddGauge("b", "With a\nline.").Set(-1.5);
  metrics.AddHistogram("c_seconds", "Times.", {}, {0.1, 1}).Observe(0.5);
  return {.running = 1, .waiting = 2, .joined_peers = {"p1"}, .metrics = metrics.Collect()};
}

std::vector<std::string> Seeds() {
  const rpc::GenerateCall call{
      .request = {.id = "r",
                  .prompt = {1, 2, 3},
                  .sampling = {.stop_token_ids = {4}, .logit_bias = {{4, -1.5f}}},
                  .grammar = "root ::= \"a\""},
      .prefill_peer = "p0"};
  const TokenOutput token{.token = 7,
                          .position = 3,
                          .finish = FinishReason::kStop,
                          .logprob = -0.5f,
                          .top_logprobs = {{7, -0.5f}, {8, -1}},
                          .cached_tokens = 2};
  return {Encode<rpc::JoinHello, v1::JoinHello>(kJoin, {.worker = Worker(), .connection = 9}),
          Encode<rpc::GenerateCall, v1::GenerateRequest>(kGenerate, call),
          Encode<TokenOutput, v1::Token>(kToken, token),
          Encode<rpc::WorkerStatus, v1::WorkerStatus>(kStatus, BusyStatus()),
          Encode<PromptLogprobs, v1::PromptLogprobs>(
              kPromptLogprobs, {{.logprob = -1, .rank = 3, .top = {{7, -0.5f}}}, {}})};
}

/// What is read, written and read again is the same.
template <typename Proto, typename Read>
void ReadTwice(std::string_view bytes, const Read& read) {
  Proto proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const std::optional<Proto> first = read(proto);
  if (!first) return;
  const std::optional<Proto> second = read(*first);
  BATON_CHECK(second && second->SerializeAsString() == first->SerializeAsString())
      << first->ShortDebugString();
}

std::optional<v1::JoinHello> ReadJoin(const v1::JoinHello& proto) {
  const auto hello = rpc::FromProto(proto);
  if (!hello.ok()) return std::nullopt;
  BATON_CHECK(hello->worker.role <= Role::kMixed);
  // Only CheckCompatible() stands between a geometry and its use.
  (void)handoff::CheckCompatible(Worker().identity, hello->worker.identity);
  v1::JoinHello out;
  rpc::ToProto(*hello, &out);
  return out;
}

std::optional<v1::GenerateRequest> ReadGenerate(const v1::GenerateRequest& proto) {
  const rpc::GenerateCall call = rpc::FromProto(proto);
  (void)Validate(call.request.sampling, 512);
  v1::GenerateRequest out;
  rpc::ToProto(call, &out);
  return out;
}

std::optional<v1::Token> ReadToken(const v1::Token& proto) {
  const TokenOutput token = rpc::FromProto(proto);
  BATON_CHECK(token.finish <= FinishReason::kLength) << proto.ShortDebugString();
  v1::Token out;
  rpc::ToProto(token, &out);
  return out;
}

std::optional<v1::PromptLogprobs> ReadPromptLogprobs(const v1::PromptLogprobs& proto) {
  PromptLogprobs logprobs;
  rpc::AppendFromProto(proto, logprobs);
  v1::PromptLogprobs out;
  rpc::ToProto(logprobs, &out);
  return out;
}

void ReadStatus(std::string_view bytes) {
  v1::WorkerStatus proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const rpc::WorkerStatus status = rpc::FromProto(proto);
  for (const telemetry::MetricFamily& family : status.metrics.families) {
    BATON_CHECK(family.type <= telemetry::MetricType::kHistogram) << proto.ShortDebugString();
  }
  (void)telemetry::RenderPrometheus({status.metrics, status.metrics});
}

void Run(std::string_view input) {
  InputReader reader(input);
  const uint8_t kind = reader.Byte();
  const std::string_view bytes = reader.Rest();
  switch (kind % kKinds) {
    case kJoin: return ReadTwice<v1::JoinHello>(bytes, &ReadJoin);
    case kGenerate: return ReadTwice<v1::GenerateRequest>(bytes, &ReadGenerate);
    case kToken: return ReadTwice<v1::Token>(bytes, &ReadToken);
    case kStatus: return ReadStatus(bytes);
    case kPromptLogprobs: return ReadTwice<v1::PromptLogprobs>(bytes, &ReadPromptLogprobs);
  }
}

}  // namespace

const FuzzTarget kTarget{
    .max_bytes = 2048,
    .seeds = &Seeds,
    .words = {"bfloat16", "float16", "float32", "\xFF\xFF\xFF\xFF\x0F", "\x80\x80\x80\x80\x08"},
    .run = &Run};

}  // namespace baton::fuzz
