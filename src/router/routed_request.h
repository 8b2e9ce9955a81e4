#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/api/completion_backend.h"
#include "baton/base/clock.h"
#include "baton/rpc/client.h"
#include "metrics.h"
#include "prefill_pick.h"
#include "request_trace.h"
#include "retry_policy.h"
#include "routing_policy.h"

namespace baton::router {

/// A request from its dispatch to its end, over one attempt or several: relays what workers say,
/// measures it, and keeps what an attempt emitted, with which the next one goes on. There is at
/// most one attempt at a time, and the next begins only after the end of the call: so nothing that
/// comes of one that was given up reaches the client.
/// *Threads*: OnRoute, OnToken, OnReport and OnCallEnd come one at a time on gRPC's threads; the
/// rest belongs to the router's thread, while no call is under way or as it says.
class RoutedRequest {
 public:
  struct Events {
    std::function<void()> on_first_token;
    /// The last token came, and the client was told.
    std::function<void()> on_finished;
    /// The call ended before it.
    std::function<void(Status status)> on_failed;
  };

  RoutedRequest(std::shared_ptr<api::CompletionSink> sink, TimePoint arrived, Clock& clock,
                RouterMetrics& metrics)
      : sink_(std::move(sink)), arrived_(arrived), clock_(clock), metrics_(metrics) {
    metrics_.waiting.Add(1);
  }

  /// What the attempt that begins now is to be told of; before its call.
  void BeginAttempt(Events events);
  void OnRoute(std::string route);
  void OnToken(TokenOutput output);
  void OnReport(rpc::GenerateReport report);
  void OnCallEnd(const Status& status);
  /// Takes what the attempt emitted behind the prompt, so that the next one goes on with it.
  /// Returns how many tokens these are.
  int64_t TakeEmitted();
  /// Ends it before a worker was asked.
  void Refuse(const api::Refusal& refusal, const Status& status);
  /// Ends the request for its client. No call is under way.
  void Finish(Status end);

  TimePoint arrived() const { return arrived_; }
  /// Tokens that came, of all attempts.
  int64_t tokens() const { return tokens_; }
  /// Since its first token came.
  Duration ttft() const { return first_token_at_ - arrived_; }
  /// Once it has ended. REQUIRES: tokens() > 1.
  Duration tpot() const { return (last_token_at_ - first_token_at_) / (tokens_ - 1); }

  /// How log lines about it begin.
  std::string subject() const { return LogSubject(id, trace_context.trace); }

  /// Those of `request`, which is elsewhere for as long as a call begins.
  std::string id;
  TraceContext trace_context;
  /// With what was emitted in earlier attempts.
  Request request;
  RequestSlo slo;
  /// What it counts against its tenant: see Admission::Cost().
  int64_t cost = 1;
  /// What it waited for a worker to have room.
  Duration queued{};
  /// The client asked where the time goes.
  bool timings = false;
  /// Null unless the request is traced.
  std::unique_ptr<RequestTrace> trace;

  // The attempt.
  Choice choice;
  /// What became of a pick, while that is not counted.
  std::optional<PickOutcome> pick;
  /// Null while none is under way.
  std::shared_ptr<rpc::Call> call;
  TimePoint sent{};
  /// Where the request is on a list, and what it is counted there as.
  enum class Phase { kNone, kPrefill, kDecode };
  Phase phase = Phase::kNone;
  cost::StepShape prefill;
  int64_t context = 0;
  int32_t prompt_tokens = 0;
  Epoch worker_epoch;
  Epoch prefill_epoch;
  /// The router gave the attempt up: what it was, and why.
  std::optional<Status> lost;
  Cause lost_cause = Cause::kLost;

  // All attempts.
  std::optional<RetryBudget> budget;
  /// Of whom the last attempt was sent to: what it emitted goes on with the same only.
  std::string fingerprint;
  /// None of the same was there since.
  bool bereft = false;
  /// Where attempts failed; another incarnation is another worker.
  std::map<std::string, Epoch> failed_at;
  /// Why the next attempt is one.
  std::optional<Cause> cause;
  /// How the last attempt ended.
  Status last;
  /// A worker found fault with the request.
  bool faulted = false;
  bool cancelled = false;
  int32_t attempts = 0;

 private:
  void LogEnd(const Status& end) const;
  RequestTrace::Summary Summary(const Status& end) const;

  const std::shared_ptr<api::CompletionSink> sink_;
  const TimePoint arrived_;
  Clock& clock_;
  RouterMetrics& metrics_;
  Events events_;
  TimePoint first_token_at_{};
  TimePoint last_token_at_{};
  int64_t tokens_ = 0;
  /// Of the attempt, which the next one has to be told.
  std::vector<TokenId> emitted_;
  bool finished_ = false;
  std::optional<api::RequestTimings::Handoff> handoff_;
};

}  // namespace baton::router
