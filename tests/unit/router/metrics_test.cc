#include "metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::router {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(QueueShownAsWorkers, CountsWhatWaitsInTheRouterAtItsWorkerAndOnce) {
  telemetry::MetricRegistry registry;
  RouterMetrics metrics(registry);
  metrics.CountQueued(0, 2);
  telemetry::MetricRegistry of_worker(telemetry::Labels{{"worker", "d0"}});
  of_worker.AddGauge("vllm:num_requests_waiting", "Waiting").Set(3);
  telemetry::MetricsSnapshot router = registry.Collect();
  std::vector<telemetry::MetricsSnapshot> worker = {of_worker.Collect()};

  ShowQueueAsWorkers(router, worker);
  worker.insert(worker.begin(), router);
  const std::string page = telemetry::RenderPrometheus(worker);
  EXPECT_THAT(page, HasSubstr("vllm:num_requests_waiting{worker=\"d0\"} 5"));
  EXPECT_THAT(page, Not(HasSubstr("worker=\"router\"")));
  EXPECT_THAT(page, HasSubstr("baton_queue_requests{priority=\"normal\"} 2"));
}

TEST(RouterMetrics, CountPicksByTheirOutcome) {
  telemetry::MetricRegistry registry;
  RouterMetrics metrics(registry);
  metrics.CountPick("followed");
  const std::string page = telemetry::RenderPrometheus({registry.Collect()});
  EXPECT_THAT(page, HasSubstr("baton_picks_total{outcome=\"followed\"} 1"));
  EXPECT_THAT(page, HasSubstr("baton_picks_total{outcome=\"untrusted\"} 0"));
}

}  // namespace
}  // namespace baton::router
