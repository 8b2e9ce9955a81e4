#include "baton/telemetry/metrics.h"

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const MetricFamily* Find(const MetricsSnapshot& snapshot, const std::string& name) {
  for (const MetricFamily& family : snapshot.families) {
    if (family.name == name) return &family;
  }
  return nullptr;
}

TEST(MetricRegistry, PutsItsConstantLabelsOnEverySample) {
  MetricRegistry registry(Labels{{"worker", "p0"}});
  registry.AddGauge("baton_kv_blocks", "KV blocks.", {{"state", "free"}}).Set(7);

  const MetricsSnapshot snapshot = registry.Collect();

  const MetricFamily* family = Find(snapshot, "baton_kv_blocks");
  ASSERT_NE(family, nullptr);
  ASSERT_EQ(family->samples.size(), 1u);
  EXPECT_THAT(family->samples[0].labels,
              UnorderedElementsAre(Pair("worker", "p0"), Pair("state", "free")));
  EXPECT_EQ(family->samples[0].value, 7);
}

TEST(MetricRegistry, GivesTheSameMetricForTheSameNameAndLabels) {
  MetricRegistry registry;
  Counter& first = registry.AddCounter("c_total", "C.", {{"a", "1"}});
  Counter& same = registry.AddCounter("c_total", "C.", {{"a", "1"}});
  Counter& other = registry.AddCounter("c_total", "C.", {{"a", "2"}});

  EXPECT_EQ(&first, &same);
  EXPECT_NE(&first, &other);
  const MetricsSnapshot snapshot = registry.Collect();
  EXPECT_EQ(Find(snapshot, "c_total")->samples.size(), 2u);
}

TEST(MetricRegistry, ForgetsTheSeriesOfOneValueOfALabelAlone) {
  MetricRegistry registry;
  registry.AddCounter("c_total", "C.", {{"worker", "p0"}, {"kind", "d0"}}).Add(3);
  registry.AddGauge("g", "G.", {{"worker", "p0"}}).Set(1);
  registry.AddHistogram("h", "H.", {{"worker", "p0"}});
  registry.AddCounter("c_total", "C.", {{"worker", "d0"}, {"kind", "p0"}}).Add(5);

  registry.Remove("worker", "p0");

  const MetricsSnapshot snapshot = registry.Collect();
  const MetricFamily* left = Find(snapshot, "c_total");
  ASSERT_NE(left, nullptr);
  ASSERT_EQ(left->samples.size(), 1u);
  EXPECT_EQ(left->samples[0].value, 5);
  EXPECT_EQ(Find(snapshot, "g"), nullptr);
  EXPECT_EQ(Find(snapshot, "h"), nullptr);
}

TEST(MetricRegistry, BeginsAnewForWhoeverComesBackAfterItWasForgotten) {
  MetricRegistry registry;
  registry.AddCounter("c_total", "C.", {{"worker", "p0"}}).Add(3);
  registry.Remove("worker", "p0");

  registry.AddCounter("c_total", "C.", {{"worker", "p0"}}).Add(2);

  const MetricsSnapshot snapshot = registry.Collect();
  EXPECT_EQ(Find(snapshot, "c_total")->samples.at(0).value, 2);
}

TEST(MetricRegistry, CountsObservationsUpToEachBound) {
  MetricRegistry registry;
  Histogram& histogram = registry.AddHistogram("h_seconds", "H.", {}, {0.1, 1});
  histogram.Observe(0.05);
  histogram.Observe(std::chrono::milliseconds(500));
  histogram.Observe(5.0);

  const MetricsSnapshot snapshot = registry.Collect();
  const MetricSample& sample = Find(snapshot, "h_seconds")->samples.at(0);

  EXPECT_THAT(sample.upper_bounds, ElementsAre(0.1, 1));
  EXPECT_THAT(sample.cumulative_counts, ElementsAre(1, 2));
  EXPECT_EQ(sample.count, 3u);
  EXPECT_DOUBLE_EQ(sample.sum, 5.55);
}

TEST(MetricRegistry, LosesNoIncrementFromSeveralThreads) {
  MetricRegistry registry;
  Counter& counter = registry.AddCounter("c_total", "C.");
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 1000; ++n) counter.Increment();
      });
    }
  }

  EXPECT_EQ(registry.Collect().families.at(0).samples.at(0).value, 4000);
}

TEST(MetricRegistryDeathTest, RefusesOneNameWithTwoTypes) {
  MetricRegistry registry;
  registry.AddCounter("name", "N.");
  EXPECT_DEATH(registry.AddGauge("name", "N."), "metric name");
}

TEST(LatencyBuckets, RiseFromAMillisecondToAMinute) {
  const std::vector<double> buckets = LatencyBuckets();
  EXPECT_EQ(buckets.front(), 0.001);
  EXPECT_EQ(buckets.back(), 60);
  EXPECT_TRUE(std::is_sorted(buckets.begin(), buckets.end()));
}

}  // namespace
}  // namespace baton::telemetry
