#include "fake_backend.h"

#include <gtest/gtest.h>

#include "tiny_tokenizer.h"

namespace baton::test {

namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

/// Token t is drawn with log-probability -t/100, beside "A" and "B".
void AddLogprobs(const SamplingParams& sampling, TokenOutput& output) {
  if (sampling.logprobs < 0) return;
  output.logprob = -static_cast<float>(output.token) / 100;
  for (int i = 0; i < sampling.logprobs; ++i)
    output.top_logprobs.push_back({'A' + i, -0.5f * static_cast<float>(i + 1)});
}

}  // namespace

void Started::Token(TokenId token, FinishReason finish) {
  TokenOutput output;
  output.token = token;
  output.position = static_cast<int32_t>(request.prompt.size()) + emitted;
  output.finish = finish;
  output.cached_tokens = emitted == 0 ? 4 : 0;
  AddLogprobs(request.sampling, output);
  ++emitted;
  sink->OnToken(std::move(output));
}

void Started::Text(std::string_view text, FinishReason finish) { Tokens(Bytes(text), finish); }

void Started::Tokens(const std::vector<TokenId>& tokens, FinishReason finish) {
  for (size_t i = 0; i < tokens.size(); ++i)
    Token(tokens[i], i + 1 == tokens.size() ? finish : FinishReason::kNone);
  if (finish != FinishReason::kNone) End(OkStatus());
}

void FakeBackend::Start(Request request, std::shared_ptr<api::CompletionSink> sink) {
  {
    std::lock_guard lock(mutex_);
    sinks_[request.id] = sink;
  }
  Started started{std::move(request), std::move(sink)};
  if (script) return script(std::move(started));
  EXPECT_TRUE(started_.TrySend(std::move(started)));
}

void FakeBackend::Cancel(const std::string& request_id) {
  std::shared_ptr<api::CompletionSink> sink;
  {
    std::lock_guard lock(mutex_);
    sink = sinks_[request_id].lock();
  }
  if (sink) sink->OnEnd(Cancelled("the request was cancelled"));
  std::string id = request_id;
  // Full under a flood of malformed requests, where nobody counts.
  (void)cancels_.TrySend(std::move(id));
}

api::Readiness FakeBackend::Ready() const {
  std::lock_guard lock(mutex_);
  return readiness_;
}

void FakeBackend::SetReadiness(api::Readiness readiness) {
  std::lock_guard lock(mutex_);
  readiness_ = std::move(readiness);
}

Started FakeBackend::NextRequest() {
  auto started = started_.Receive(kPatience);
  EXPECT_TRUE(started.has_value()) << "the server started no request";
  return started ? *std::move(started) : Started{};
}

std::string FakeBackend::NextCancel() { return cancels_.Receive(kPatience).value_or(""); }

std::function<void(Started)> Says(std::string text, FinishReason finish) {
  return [text = std::move(text), finish](Started started) {
    started.Route("prefill=p0 decode=d1");
    started.Text(text, finish);
  };
}

}  // namespace baton::test
