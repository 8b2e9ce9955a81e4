#include "worker/metrics.h"

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

namespace baton::worker {
namespace {

using std::chrono::minutes;

/// The series about a peer.
size_t SeriesOf(const WorkerMetrics& metrics, const std::string& peer) {
  size_t series = 0;
  for (const telemetry::MetricFamily& family : metrics.Collect().families) {
    for (const telemetry::MetricSample& sample : family.samples) {
      const auto& labels = sample.labels;
      series += static_cast<size_t>(
          std::count(labels.begin(), labels.end(), std::pair(std::string("peer"), peer)));
    }
  }
  return series;
}

TEST(WorkerMetrics, ForgetPeersThatWereLostLongAgo) {
  WorkerMetrics metrics("p0");
  const TimePoint now{};
  metrics.SetPath("d0", {.text = "tcp"}, true);
  metrics.SetCost("d0", {});
  metrics.SetPath("d1", {.text = "tcp"}, true);
  metrics.SetPath("d0", {.text = "tcp"}, false);

  metrics.ForgetPeers(now);
  EXPECT_EQ(SeriesOf(metrics, "d0"), 4u);
  metrics.ForgetPeers(now + minutes(6));

  EXPECT_EQ(SeriesOf(metrics, "d0"), 0u);
  EXPECT_EQ(SeriesOf(metrics, "d1"), 1u);
}

TEST(WorkerMetrics, KeepPeersThatJoinedAnewBeforeTheirLossWasKnown) {
  WorkerMetrics metrics("p0");
  const TimePoint now{};
  metrics.SetPath("d0", {.text = "tcp"}, true);
  metrics.SetPath("d0", {.text = "tcp"}, true);
  metrics.SetPath("d0", {.text = "tcp"}, false);

  metrics.ForgetPeers(now);
  metrics.ForgetPeers(now + minutes(6));

  EXPECT_EQ(SeriesOf(metrics, "d0"), 1u);
}

}  // namespace
}  // namespace baton::worker
