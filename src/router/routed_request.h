#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "baton/api/completion_backend.h"
#include "baton/base/clock.h"
#include "baton/base/latest.h"
#include "baton/rpc/client.h"
#include "metrics.h"
#include "request_trace.h"
#include "routing_policy.h"

namespace baton::router {

/// A request at the workers that were chosen for it: relays what they say and measures it.
/// *Threads*: OnRoute, OnToken and OnEnd come one at a time on gRPC's threads; `call` belongs to
/// the router's thread.
class RoutedRequest {
 public:
  struct Events {
    std::function<void()> on_first_token;
    std::function<void()> on_end;
  };

  RoutedRequest(std::shared_ptr<api::CompletionSink> sink, TimePoint arrived, Clock& clock,
                RouterMetrics& metrics)
      : sink_(std::move(sink)), arrived_(arrived), clock_(clock), metrics_(metrics) {
    metrics_.waiting.Add(1);
  }

  void SetEvents(Events events) { events_ = std::move(events); }
  void OnRoute(std::string route) { sink_->OnRoute(std::move(route)); }
  void OnToken(TokenOutput output);
  void OnReport(rpc::GenerateReport report);
  void OnEnd(const Status& status);
  /// Ends it before a worker was asked.
  void Refuse(const api::Refusal& refusal, const Status& status);
  /// Its worker is lost: ends the call, with this status unless it has ended before. On the
  /// router's thread.
  void Lose(const Status& status);
  TimePoint arrived() const { return arrived_; }
  /// Tokens that came. Once it has ended.
  int64_t tokens() const { return tokens_; }
  /// Since its first token came.
  Duration ttft() const { return first_token_at_ - arrived_; }
  /// Once it has ended. REQUIRES: tokens() > 1.
  Duration tpot() const { return (last_token_at_ - first_token_at_) / (tokens_ - 1); }

  Choice choice;
  std::shared_ptr<rpc::Call> call;
  /// Where the request is on a list, and what it is counted there as.
  enum class Phase { kNone, kPrefill, kDecode };
  Phase phase = Phase::kNone;
  cost::StepShape prefill;
  int64_t context = 0;
  /// Of the prompt.
  int32_t prompt_tokens = 0;
  /// The client asked where the time goes.
  bool timings = false;
  RequestSlo slo;
  /// Who is to be served how much before whom: see AdmissionQueue.
  int32_t priority = 0;
  std::string tenant;
  int64_t cost = 1;
  /// What it waited for a worker to have room.
  Duration queued{};
  /// Null unless the request is traced.
  std::unique_ptr<RequestTrace> trace;

 private:
  const std::shared_ptr<api::CompletionSink> sink_;
  const TimePoint arrived_;
  Clock& clock_;
  RouterMetrics& metrics_;
  Events events_;
  TimePoint first_token_at_{};
  TimePoint last_token_at_{};
  int64_t tokens_ = 0;
  bool finished_ = false;
  Latest<Status> lost_;
  std::optional<api::RequestTimings::Handoff> handoff_;
};

}  // namespace baton::router
