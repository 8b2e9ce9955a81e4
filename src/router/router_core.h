#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "admission.h"
#include "arrival_rate.h"
#include "auto_ratio.h"
#include "baton/base/check.h"
#include "baton/base/gate.h"
#include "baton/base/latest.h"
#include "baton/base/mailbox.h"
#include "baton/router/router.h"
#include "breaker.h"
#include "fleet.h"
#include "fleet_state.h"
#include "metrics.h"
#include "routed_request.h"
#include "routing_policy.h"
#include "scaling.h"
#include "scoreboard.h"

namespace baton::router {

/// The router but for its thread. *Threads*: Turn(), Close() and idle() are the router's thread,
/// which owns the fleet and the requests; the rest is thread-safe and only posts to it. A
/// simulation calls Turn() in place of a thread.
/// REQUIRES: Close() and then turns until idle() before it is destroyed.
class RouterCore final : public Router {
 public:
  /// `registry`, `clock` and `traces` outlive this. Without `traces` no request is traced.
  RouterCore(const RouterOptions& options, std::unique_ptr<RoutingPolicy> policy,
             const rpc::DialWorker& dial, telemetry::MetricRegistry& registry, Clock& clock,
             telemetry::TraceWriter* traces = nullptr);

  /// Does what is due, then waits at most `patience` for one posted piece of work and does it.
  /// False when none came.
  bool Turn(Duration patience);
  /// Ends a Turn() that waits, or the next one. Thread-safe.
  void Wake() {
    Post([] {});
  }
  /// All places at which workers were found. Thread-safe.
  void SetPlaces(std::vector<discovery::Place> places);
  /// Why they cannot be looked for at present; OkStatus(): they can. Thread-safe.
  void SetTrouble(Status trouble);
  /// Ends all calls.
  void Close();
  /// No call is under way, so that nothing will be posted any more.
  bool idle() const { return requests_.empty() && admission_.empty() && fleet_.idle(); }
  const Fleet& fleet() const { return fleet_; }
  /// Requests that wait for a worker to have room.
  size_t queued() const { return admission_.size(); }

  void Start(Request request, std::shared_ptr<api::CompletionSink> sink) override;
  void Cancel(const std::string& request_id) override;
  /// Turn() was called of late: it is called many times a second.
  bool Alive() const override { return clock_.Now() - last_turn_.load() < progress_timeout_; }
  api::Readiness Ready() const override { return readiness_.Read(); }
  std::vector<api::ReadinessCheck> FleetChecks() const override;
  std::string RenderMetrics() const override;
  std::string RenderFleet() const override;
  bool WaitReady(Duration timeout) override { return ready_.Wait(timeout); }
  void Scale(const api::ScaleRequest& request,
             std::function<void(Result<api::ScaleState>)> on_answer) override;
  api::ScaleState Scaling() const override { return scale_state_.Read(); }
  int32_t RequestsUnderWay() const override { return under_way_; }
  void DumpWork(const std::string& why) override;
  void Reconfigure(const RouterOptions& options, const std::optional<api::RoleCounts>& roles,
                   std::function<void(const Status&)> on_answer) override;

 private:
  using Routed = Admission::Routed;

  void PublishFleet();
  void PublishState(TimePoint now);
  Admission::Links AdmissionLinks();
  void Admit(Routed routed);
  void Refuse(RoutedRequest& routed, const api::Refusal& refusal, const Status& status);
  void PublishScaling();
  void SetRatioOptions();
  /// Why the operator may not change roles, if the router chooses them itself.
  Status MayScale(bool auto_ratio) const;
  Status TakeOptions(const RouterOptions& options, const std::optional<api::RoleCounts>& roles);
  /// Whether a file is to have the request's trace: it asked for that, or it is its turn.
  bool Written(const Request& request);
  Query QueryOf(const RoutedRequest& routed) const;
  /// As many as a request is to be expected to draw yet.
  int64_t ExpectedTokens(const Request& request) const;

  // attempts.cc: from a request's dispatch to its end.
  /// The first attempt, once there is room for it.
  Admission::Attempt Dispatch(const Routed& routed, Admission::Terms terms);
  /// Sends it to whom it goes to next. False when nobody is there.
  bool Attempt(const Routed& routed);
  Result<Choice> Choose(RoutedRequest& routed, const std::vector<WorkerView>& views);
  void Send(const Routed& routed, Choice choice, const std::vector<WorkerView>& views);
  void OnAttemptFailed(const Routed& routed, const Status& status);
  /// Tells the breakers how the attempt went, and notes where it failed.
  void Blame(RoutedRequest& routed, const Verdict& verdict);
  /// Has it look again later whether somebody is there; ends it when it has looked long enough.
  void Park(const Routed& routed);
  /// Makes the attempts that are due; returns when the next one is.
  TimePoint AttemptDue(TimePoint now);
  void GiveUp(const Routed& routed);
  void End(const Routed& routed, Status status);

  /// A line for people: where it is, since when, and with whom.
  std::string Describe(const RoutedRequest& routed) const;
  /// Counts the request at its workers, from phase to phase.
  void BeginPrefill(RoutedRequest& routed, const std::vector<WorkerView>& views);
  void BeginDecode(RoutedRequest& routed);
  void EndPhase(RoutedRequest& routed);
  void EndAttempt(RoutedRequest& routed);
  void Lose(const std::string& worker, const Status& status);
  void Forget(const std::string& request_id);
  void Post(std::function<void()> work) {
    BATON_CHECK(mailbox_.TrySend(std::move(work))) << "the router's thread does not keep up";
  }

  Clock& clock_;
  telemetry::TraceWriter* const traces_;
  telemetry::Tracer* const tracer_;
  telemetry::MetricRegistry& registry_;
  RouterMetrics metrics_;
  std::unique_ptr<RoutingPolicy> policy_;
  Breakers breakers_;
  Mailbox<std::function<void()>> mailbox_;
  // What the router's thread last knew, for HTTP's threads.
  Latest<api::Readiness> readiness_{{.ready = false, .reason = "no worker is ready"}};
  Latest<std::vector<telemetry::MetricsSnapshot>> worker_metrics_;
  Latest<FleetState> state_;
  Latest<api::ScaleState> scale_state_;
  Gate ready_;
  std::atomic<int32_t> under_way_{0};
  const Duration progress_timeout_;
  std::atomic<TimePoint> last_turn_;
  std::atomic<uint64_t> started_{0};
  // Of the options, what is looked at on any thread.
  std::atomic<int32_t> most_requests_;
  std::atomic<int32_t> trace_every_;
  const std::string own_worker_;

  // The router's thread owns these.
  RouterOptions options_;
  Fleet fleet_;
  Status trouble_;
  router::Scaling scaling_;
  AutoRatio auto_ratio_;
  uint64_t published_scaling_ = 0;
  uint64_t published_version_ = ~uint64_t{0};
  TimePoint next_state_{};
  Scoreboard scoreboard_;
  /// Tokens that requests have drawn of late, in the mean.
  double mean_output_tokens_ = 64;
  ArrivalRate arrivals_;
  std::unordered_map<std::string, Routed> requests_;
  /// Those without an attempt, by when the next one is due; and ones that have ended since.
  std::multimap<TimePoint, Routed> waiting_;
  /// A complete group has been there: what is missing now may come back.
  bool was_ready_ = false;
  bool closed_ = false;
  /// Those that wait to be sent for the first time.
  Admission admission_;
};

}  // namespace baton::router
