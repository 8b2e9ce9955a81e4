#pragma once

#include <string>

#include "baton/base/role.h"
#include "baton/telemetry/metrics.h"

namespace baton::router {

/// The router's own figures. *Threads*: thread-safe.
class RouterMetrics {
 public:
  explicit RouterMetrics(telemetry::MetricRegistry& registry);

  /// `outcome` is "finished", or the name of the status code that ended the request.
  void CountRequest(const std::string& outcome) { Requests(outcome).Increment(); }

  /// By how much a step took more or less than was foretold, of what it took. `kind` is "prefill"
  /// or "decode".
  telemetry::Histogram& CostError(const std::string& worker, const std::string& kind) {
    return registry_.AddHistogram(
        "baton_cost_error_ratio",
        "By how much steps differ from what was foretold, as a part of what they take",
        {{"worker", worker}, {"kind", kind}}, {0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5});
  }

  /// Forgets the series of a worker that has left. REQUIRES: nobody uses them any more.
  void ForgetWorker(const std::string& worker) { registry_.Remove("worker", worker); }

  /// 0 closed, 1 one request may try, 2 open.
  telemetry::Gauge& Breaker(const std::string& worker) {
    return registry_.AddGauge(
        "baton_worker_breaker",
        "Whether requests are kept from a worker: 0 no, 1 all but one that tries, 2 yes",
        {{"worker", worker}});
  }

  /// An attempt at a request came to nothing and another follows: before its first token, or after.
  void CountRetry(const std::string& cause) { Retries(cause).Increment(); }
  void CountResume(const std::string& cause) { Resumes(cause).Increment(); }

  /// Counts those in the router's queue by their priority: below 0, 0, above. 1 or -1.
  void CountQueued(int32_t priority, int change) {
    (priority < 0 ? queue_high : priority == 0 ? queue_normal : queue_low).Add(change);
    vllm_waiting.Add(change);
  }

  void CountRefusal(const std::string& reason) { Refusals(reason).Increment(); }

  /// Somebody before the router picked a prefill worker; `outcome` is a PickOutcomeName.
  void CountPick(const std::string& outcome) { Picks(outcome).Increment(); }

  /// Somebody was found and asked who it is. `outcome` is "admitted", "no_answer", "name_taken" or
  /// "no_name".
  void CountNewcomer(const std::string& outcome) { Newcomers(outcome).Increment(); }

  /// `reason` is "scale", "configuration" or "auto".
  void CountRoleChange(Role from, Role to, const std::string& reason) {
    registry_
        .AddCounter("baton_role_changes_total", "Workers that took another role, and what for",
                    {{"from", std::string(RoleName(from))},
                     {"to", std::string(RoleName(to))},
                     {"reason", reason}})
        .Increment();
  }

  /// `outcome` is "done" or "failed", of a change of roles that the router decided on.
  void CountRatioChange(const std::string& outcome) {
    registry_
        .AddCounter("baton_ratio_moves_total",
                    "Changes of roles that the router decided on itself, by what became of them",
                    {{"outcome", outcome}})
        .Increment();
  }

  /// What roles are foretold to have to do, of what they can within SLOs, and how many requests a
  /// second that is with these roles and with the best ones.
  struct Ratio {
    double prefill = 0;
    double decode = 0;
    double mixed = 0;
    double now_per_s = 0;
    double best_per_s = 0;
  };
  void ShowRatio(const Ratio& ratio) {
    const auto utilisation = [this](const std::string& role, double value) {
      registry_
          .AddGauge("baton_role_utilisation",
                    "What the workers of a role are foretold to have to do, as a part of what they "
                    "can so that nine in ten requests keep their SLOs",
                    {{"role", role}})
          .Set(value);
    };
    utilisation("prefill", ratio.prefill);
    utilisation("decode", ratio.decode);
    utilisation("mixed", ratio.mixed);
    const auto capacity = [this](const std::string& roles, double value) {
      registry_
          .AddGauge("baton_ratio_requests_per_second",
                    "Requests a second, like those of late, that are foretold to keep their SLOs, "
                    "with the roles as they are and with the best ones",
                    {{"roles", roles}})
          .Set(value);
    };
    capacity("now", ratio.now_per_s);
    capacity("best", ratio.best_per_s);
  }

  /// `kind` is "ttft" or "tpot": whether a request's wish of that kind was met.
  void CountSlo(const std::string& kind, bool met) { Slo(kind, met).Increment(); }

 private:
  telemetry::Counter& Requests(const std::string& outcome);
  telemetry::Counter& Retries(const std::string& cause);
  telemetry::Counter& Resumes(const std::string& cause);
  telemetry::Counter& Refusals(const std::string& reason);
  telemetry::Counter& Picks(const std::string& outcome);
  telemetry::Counter& Newcomers(const std::string& outcome);
  telemetry::Counter& Slo(const std::string& kind, bool met);
  telemetry::Gauge& Workers(const std::string& state);
  telemetry::Gauge& Queue(const std::string& priority);

  telemetry::MetricRegistry& registry_;

 public:
  telemetry::Histogram& ttft;
  telemetry::Histogram& tpot;
  telemetry::Histogram& e2e;
  telemetry::Gauge& waiting;
  telemetry::Gauge& running;
  telemetry::Gauge& queue_high;
  telemetry::Gauge& queue_normal;
  telemetry::Gauge& queue_low;
  telemetry::Gauge& vllm_waiting;
  telemetry::Histogram& queue_seconds;
  telemetry::Gauge& ready;
  telemetry::Gauge& workers_there;
  telemetry::Gauge& workers_absent;
  telemetry::Gauge& workers_leaving;
  telemetry::Gauge& workers_unknown;
  telemetry::Gauge& discovery_trouble;
  telemetry::Counter& output_tokens;
};

/// What waits in the router of a worker's process waits at that worker, for whoever asks it alone and
/// reads one figure of each name: takes it from `router` and adds it to the worker's.
void ShowQueueAsWorkers(telemetry::MetricsSnapshot& router,
                        std::vector<telemetry::MetricsSnapshot>& worker);

}  // namespace baton::router
