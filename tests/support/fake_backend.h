#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "baton/api/completion_backend.h"
#include "baton/base/mailbox.h"

namespace baton::test {

/// A request that the server started, in the hands of a test.
struct Started {
  Request request;
  std::shared_ptr<api::CompletionSink> sink;

  void Route(const std::string& route) { sink->OnRoute(route); }
  void Token(TokenId token, FinishReason finish = FinishReason::kNone);
  /// One token per byte; the last one with `finish`, and then the end.
  void Text(std::string_view text, FinishReason finish = FinishReason::kNone);
  void Tokens(const std::vector<TokenId>& tokens, FinishReason finish);
  void End(Status status) { sink->OnEnd(std::move(status)); }

  int32_t emitted = 0;
};

/// Stands for the router: a script answers each request, or a test does. *Threads*: thread-safe;
/// the mutex guards what a test reads after the fact.
class FakeBackend final : public api::CompletionBackend {
 public:
  /// Answers each request at once. Set before the server starts; without one, the test answers.
  std::function<void(Started)> script;

  void Start(Request request, std::shared_ptr<api::CompletionSink> sink) override;
  /// Ends the request with Cancelled, as the router does.
  void Cancel(const std::string& request_id) override;
  bool Alive() const override { return alive; }
  std::atomic<bool> alive{true};
  api::Readiness Ready() const override;
  std::vector<api::ReadinessCheck> FleetChecks() const override { return fleet_checks; }
  std::vector<api::ReadinessCheck> fleet_checks;
  std::string RenderMetrics() const override { return "baton_fake 1\n"; }
  std::string RenderFleet() const override { return R"({"workers":[]})"; }
  /// Answers with `scaled`, from a thread of its own as the router does.
  void Scale(const api::ScaleRequest& request,
             std::function<void(Result<api::ScaleState>)> on_answer) override {
    scale_asked.TrySend(api::ScaleRequest(request));
    std::thread([on_answer = std::move(on_answer), answer = scaled] { on_answer(answer); }).join();
  }
  Result<api::ScaleState> scaled = api::ScaleState{.number = 3, .under_way = true};
  Mailbox<api::ScaleRequest> scale_asked{16};

  /// The next request that was started; fails the test after a while without one.
  Started NextRequest();
  /// The id of the next request that was cancelled; empty after a while without one.
  std::string NextCancel();
  size_t cancelled() const { return cancels_.size(); }
  void SetReadiness(api::Readiness readiness);

 private:
  Mailbox<Started> started_{4096};
  Mailbox<std::string> cancels_{4096};
  mutable std::mutex mutex_;
  std::map<std::string, std::weak_ptr<api::CompletionSink>> sinks_;
  api::Readiness readiness_{true, ""};
};

/// Answers with `text`, one token per byte.
std::function<void(Started)> Says(std::string text, FinishReason finish = FinishReason::kLength);

}  // namespace baton::test
