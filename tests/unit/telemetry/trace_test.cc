#include "baton/telemetry/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::telemetry {
namespace {

using ::testing::HasSubstr;

Span At(const std::string& name, int begin_us, int end_us) {
  return {name, "req-1", TimePoint(std::chrono::microseconds(begin_us)),
          TimePoint(std::chrono::microseconds(end_us))};
}

TEST(TraceRecorder, KeepsTheLatestSpansAndCountsTheRest) {
  TraceRecorder recorder(2);
  recorder.Record(At("a", 0, 1));
  recorder.Record(At("b", 1, 2));
  recorder.Record(At("c", 2, 3));

  const std::vector<Span> spans = recorder.Spans();

  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].name, "b");
  EXPECT_EQ(spans[1].name, "c");
  EXPECT_EQ(recorder.dropped(), 1u);
}

TEST(ChromeTraceJson, WritesMicrosecondsAndEscapesNames) {
  const std::string json = ChromeTraceJson({At("pre\"fill\n", 10, 35)}, "worker p0");

  EXPECT_THAT(json, HasSubstr(R"("name":"pre\"fill\u000a","ts":10.000,"dur":25.000)"));
  EXPECT_THAT(json, HasSubstr(R"("args":{"name":"worker p0"})"));
  EXPECT_THAT(json, HasSubstr(R"("args":{"name":"req-1"})"));
}

}  // namespace
}  // namespace baton::telemetry
