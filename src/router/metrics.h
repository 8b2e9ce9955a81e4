#pragma once

#include <string>

#include "baton/base/role.h"
#include "baton/telemetry/metrics.h"

namespace baton::router {

/// The router's own figures. *Threads*: thread-safe.
class RouterMetrics {
 public:
  explicit RouterMetrics(telemetry::MetricRegistry& registry)
      : registry_(registry),
        ttft(registry.AddHistogram("baton_ttft_seconds",
                                   "From a request's arrival at the router to its first token")),
        tpot(registry.AddHistogram("baton_tpot_seconds",
                                   "Mean time per output token after a request's first")),
        e2e(registry.AddHistogram("baton_e2e_seconds",
                                  "From a request's arrival at the router to its last token")),
        waiting(registry.AddGauge("baton_router_requests", "Requests under way in the router",
                                  {{"state", "waiting"}})),
        running(registry.AddGauge("baton_router_requests", "Requests under way in the router",
                                  {{"state", "running"}})),
        queue_high(QueueGauge("high")),
        queue_normal(QueueGauge("normal")),
        queue_low(QueueGauge("low")),
        vllm_waiting(registry.AddGauge("vllm:num_requests_waiting",
                                       "Requests that wait at workers, or in the router",
                                       {{"worker", "router"}})),
        queue_seconds(registry.AddHistogram(
            "baton_queue_seconds", "What requests waited in the router until a worker had room")),
        workers_there(WorkersGauge("there")),
        workers_absent(WorkersGauge("absent")),
        workers_leaving(WorkersGauge("leaving")),
        workers_unknown(WorkersGauge("unknown")),
        discovery_trouble(registry.AddGauge(
            "baton_discovery_trouble",
            "1 while workers cannot be looked for, so that those found last stay")),
        output_tokens(registry.AddCounter("baton_router_output_tokens_total", "Tokens relayed")) {}

  /// `outcome` is "finished", or the name of the status code that ended the request.
  void CountRequest(const std::string& outcome) {
    registry_
        .AddCounter("baton_router_requests_total", "Requests that ended, by outcome",
                    {{"outcome", outcome}})
        .Increment();
  }

  /// By how much a step took more or less than was foretold, of what it took. `kind` is "prefill"
  /// or "decode".
  telemetry::Histogram& CostError(const std::string& worker, const std::string& kind) {
    return registry_.AddHistogram(
        "baton_cost_error_ratio",
        "By how much steps differ from what was foretold, as a part of what they take",
        {{"worker", worker}, {"kind", kind}}, {0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5});
  }

  /// 0 closed, 1 one request may try, 2 open.
  telemetry::Gauge& Breaker(const std::string& worker) {
    return registry_.AddGauge(
        "baton_worker_breaker",
        "Whether requests are kept from a worker: 0 no, 1 all but one that tries, 2 yes",
        {{"worker", worker}});
  }

  /// An attempt at a request came to nothing and another follows: before its first token, or after.
  void CountRetry(const std::string& cause) {
    registry_
        .AddCounter("baton_retries_total", "Requests begun anew before their first token, by why",
                    {{"cause", cause}})
        .Increment();
  }
  void CountResume(const std::string& cause) {
    registry_
        .AddCounter("baton_resumes_total", "Requests gone on with after some tokens, by why",
                    {{"cause", cause}})
        .Increment();
  }

  /// Counts those in the router's queue by their priority: below 0, 0, above. 1 or -1.
  void CountQueued(int32_t priority, int change) {
    (priority < 0 ? queue_high : priority == 0 ? queue_normal : queue_low).Add(change);
    vllm_waiting.Add(change);
  }

  void CountRefusal(const std::string& reason) {
    registry_
        .AddCounter("baton_refusals_total", "Requests that no worker was asked for, by reason",
                    {{"reason", reason}})
        .Increment();
  }

  /// Somebody was found and asked who it is. `outcome` is "admitted", "no_answer", "name_taken" or
  /// "no_name".
  void CountNewcomer(const std::string& outcome) {
    registry_
        .AddCounter("baton_newcomers_total",
                    "Times that whoever is at an address that was found was asked who it is, by "
                    "what became of it",
                    {{"outcome", outcome}})
        .Increment();
  }

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
  void CountSlo(const std::string& kind, bool met) {
    registry_
        .AddCounter("baton_slo_requests_total",
                    "Requests with an SLO, by its kind and whether it was met",
                    {{"slo", kind}, {"met", met ? "true" : "false"}})
        .Increment();
  }

 private:
  telemetry::Gauge& WorkersGauge(const std::string& state) {
    return registry_.AddGauge(
        "baton_workers",
        "Workers of this router's fleet; unknown: addresses where nobody said yet who it is",
        {{"state", state}});
  }
  telemetry::Gauge& QueueGauge(const std::string& priority) {
    return registry_.AddGauge("baton_queue_requests",
                              "Requests that wait in the router until a worker has room",
                              {{"priority", priority}});
  }

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
  telemetry::Gauge& workers_there;
  telemetry::Gauge& workers_absent;
  telemetry::Gauge& workers_leaving;
  telemetry::Gauge& workers_unknown;
  telemetry::Gauge& discovery_trouble;
  telemetry::Counter& output_tokens;
};

}  // namespace baton::router
