#pragma once

#include <string>

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

  /// `kind` is "ttft" or "tpot": whether a request's wish of that kind was met.
  void CountSlo(const std::string& kind, bool met) {
    registry_
        .AddCounter("baton_slo_requests_total",
                    "Requests with an SLO, by its kind and whether it was met",
                    {{"slo", kind}, {"met", met ? "true" : "false"}})
        .Increment();
  }

 private:
  telemetry::MetricRegistry& registry_;

 public:
  telemetry::Histogram& ttft;
  telemetry::Histogram& tpot;
  telemetry::Histogram& e2e;
  telemetry::Gauge& waiting;
  telemetry::Gauge& running;
  telemetry::Counter& output_tokens;
};

}  // namespace baton::router
