#include "metrics.h"

#include "prefill_pick.h"
#include "retry_policy.h"

namespace baton::router {

namespace {

constexpr char kVllmWaiting[] = "vllm:num_requests_waiting";

}  // namespace

void ShowQueueAsWorkers(telemetry::MetricsSnapshot& router,
                        std::vector<telemetry::MetricsSnapshot>& worker) {
  const auto is_waiting = [](const telemetry::MetricFamily& family) {
    return family.name == kVllmWaiting;
  };
  double queued = 0;
  for (const telemetry::MetricFamily& family : router.families) {
    if (!is_waiting(family)) continue;
    for (const telemetry::MetricSample& sample : family.samples) queued += sample.value;
  }
  std::erase_if(router.families, is_waiting);
  for (telemetry::MetricsSnapshot& snapshot : worker) {
    for (telemetry::MetricFamily& family : snapshot.families) {
      if (!is_waiting(family)) continue;
      for (telemetry::MetricSample& sample : family.samples) sample.value += queued;
    }
  }
}

RouterMetrics::RouterMetrics(telemetry::MetricRegistry& registry)
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
      queue_high(Queue("high")),
      queue_normal(Queue("normal")),
      queue_low(Queue("low")),
      vllm_waiting(registry.AddGauge(
          kVllmWaiting, "Requests that wait at workers, or in the router", {{"worker", "router"}})),
      queue_seconds(registry.AddHistogram("baton_queue_seconds",
                                          "What requests waited in the router until a worker had "
                                          "room")),
      ready(registry.AddGauge("baton_ready",
                              "1 while there is a complete group of workers to serve requests")),
      workers_there(Workers("there")),
      workers_absent(Workers("absent")),
      workers_leaving(Workers("leaving")),
      workers_unknown(Workers("unknown")),
      discovery_trouble(
          registry.AddGauge("baton_discovery_trouble",
                            "1 while workers cannot be looked for, so that those found last stay")),
      output_tokens(registry.AddCounter("baton_router_output_tokens_total", "Tokens relayed")) {
  // From 0 on, so that the first of a kind is an increase as well.
  Requests("finished");
  for (size_t i = 0; i < kCauses; ++i) {
    const std::string cause(CauseName(static_cast<Cause>(i)));
    Retries(cause);
    Resumes(cause);
  }
  for (const char* reason :
       {"requests", "queue_full", "queue_wait", "slo_unattainable", "no_worker", "shutdown"}) {
    Refusals(reason);
  }
  for (size_t i = 0; i < kPickOutcomes; ++i) {
    Picks(std::string(PickOutcomeName(static_cast<PickOutcome>(i))));
  }
  for (const char* outcome : {"admitted", "no_answer", "name_taken", "no_name"}) Newcomers(outcome);
  for (const char* kind : {"ttft", "tpot"}) {
    for (const bool met : {false, true}) Slo(kind, met);
  }
}

telemetry::Counter& RouterMetrics::Requests(const std::string& outcome) {
  return registry_.AddCounter("baton_router_requests_total", "Requests that ended, by outcome",
                              {{"outcome", outcome}});
}

telemetry::Counter& RouterMetrics::Retries(const std::string& cause) {
  return registry_.AddCounter("baton_retries_total",
                              "Requests begun anew before their first token, by why",
                              {{"cause", cause}});
}

telemetry::Counter& RouterMetrics::Resumes(const std::string& cause) {
  return registry_.AddCounter(
      "baton_resumes_total", "Requests gone on with after some tokens, by why", {{"cause", cause}});
}

telemetry::Counter& RouterMetrics::Refusals(const std::string& reason) {
  return registry_.AddCounter("baton_refusals_total",
                              "Requests that no worker was asked for, by reason",
                              {{"reason", reason}});
}

telemetry::Counter& RouterMetrics::Picks(const std::string& outcome) {
  return registry_.AddCounter(
      "baton_picks_total",
      "Requests for which x-prefiller-host-port named a prefill worker, by what became of that",
      {{"outcome", outcome}});
}

telemetry::Counter& RouterMetrics::Newcomers(const std::string& outcome) {
  return registry_.AddCounter(
      "baton_newcomers_total",
      "Times that whoever is at an address that was found was asked who it is, by what became of "
      "it",
      {{"outcome", outcome}});
}

telemetry::Counter& RouterMetrics::Slo(const std::string& kind, bool met) {
  return registry_.AddCounter("baton_slo_requests_total",
                              "Requests with an SLO, by its kind and whether it was met",
                              {{"slo", kind}, {"met", met ? "true" : "false"}});
}

telemetry::Gauge& RouterMetrics::Workers(const std::string& state) {
  return registry_.AddGauge(
      "baton_workers",
      "Workers of this router's fleet; unknown: addresses where nobody said yet who it is",
      {{"state", state}});
}

telemetry::Gauge& RouterMetrics::Queue(const std::string& priority) {
  return registry_.AddGauge("baton_queue_requests",
                            "Requests that wait in the router until a worker has room",
                            {{"priority", priority}});
}

}  // namespace baton::router
