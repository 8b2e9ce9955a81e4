#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/telemetry/metrics.h"

namespace baton::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

MetricsSnapshot OneGauge(const std::string& worker, double value) {
  MetricRegistry registry(Labels{{"worker", worker}});
  registry.AddGauge("baton_requests_running", "Requests running.").Set(value);
  return registry.Collect();
}

TEST(RenderPrometheus, JoinsWorkersUnderOneHelpAndType) {
  const std::string text = RenderPrometheus({OneGauge("p0", 1), OneGauge("d0", 2.5)});

  EXPECT_EQ(text,
            "# HELP baton_requests_running Requests running.\n"
            "# TYPE baton_requests_running gauge\n"
            "baton_requests_running{worker=\"p0\"} 1\n"
            "baton_requests_running{worker=\"d0\"} 2.5\n");
}

TEST(RenderPrometheus, WritesAHistogramWithItsInfiniteBucket) {
  MetricRegistry registry;
  registry.AddHistogram("h_seconds", "H.", {}, {0.5}).Observe(0.25);

  EXPECT_EQ(RenderPrometheus({registry.Collect()}),
            "# HELP h_seconds H.\n"
            "# TYPE h_seconds histogram\n"
            "h_seconds_count 1\n"
            "h_seconds_sum 0.25\n"
            "h_seconds_bucket{le=\"0.5\"} 1\n"
            "h_seconds_bucket{le=\"+Inf\"} 1\n");
}

TEST(RenderPrometheus, EscapesLabelValuesAndHelp) {
  MetricRegistry registry;
  registry.AddGauge("g", "One\nline \\ only.", {{"path", "a\"b\\c\nd"}}).Set(1);

  const std::string text = RenderPrometheus({registry.Collect()});

  EXPECT_THAT(text, HasSubstr("# HELP g One\\nline \\\\ only.\n"));
  EXPECT_THAT(text, HasSubstr("g{path=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(RenderPrometheus, LeavesOutAFamilyWhoseTypeDisagrees) {
  MetricRegistry other;
  other.AddCounter("baton_requests_running", "Requests running.").Add(99);

  const std::string text = RenderPrometheus({OneGauge("p0", 1), other.Collect()});

  EXPECT_THAT(text, HasSubstr("gauge"));
  EXPECT_THAT(text, Not(HasSubstr("99")));
}

TEST(RenderPrometheus, GivesNothingForNothing) { EXPECT_EQ(RenderPrometheus({}), ""); }

}  // namespace
}  // namespace baton::telemetry
