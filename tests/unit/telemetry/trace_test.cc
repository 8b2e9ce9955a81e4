#include "baton/telemetry/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace baton::telemetry {
namespace {

using nlohmann::json;
using std::chrono::microseconds;
using testing::ElementsAre;

TimePoint At(int64_t us) { return TimePoint(microseconds(us)); }

Span SpanOf(const std::string& name, int64_t begin_us, int64_t end_us,
            const std::string& row = "row") {
  return {.name = name, .row = row, .begin = At(begin_us), .end = At(end_us), .args = {}};
}

TEST(TraceRecorder, LetsStagesFollowOneAnother) {
  TraceRecorder recorder("d0", At(10));
  recorder.Stage("queued", At(15));
  recorder.Stage("offer", At(40), {{"blocks", 3}});

  const ProcessTrace trace = recorder.Take(At(50));

  ASSERT_EQ(trace.spans.size(), 2u);
  EXPECT_EQ(trace.spans[0].begin, At(10));
  EXPECT_EQ(trace.spans[1].begin, At(15));
  EXPECT_EQ(trace.spans[1].end, At(40));
  EXPECT_EQ(trace.spans[1].args.at(0).value, 3);
  EXPECT_EQ(trace.received, At(10));
  EXPECT_EQ(trace.answered, At(50));
}

TEST(TraceRecorder, GivesEachSpanOnce) {
  TraceRecorder recorder("d0", At(0));
  recorder.Record(SpanOf("a", 0, 1));
  recorder.Take(At(1));
  recorder.Record(SpanOf("b", 1, 2));

  const ProcessTrace trace = recorder.Take(At(2));

  ASSERT_EQ(trace.spans.size(), 1u);
  EXPECT_EQ(trace.spans[0].name, "b");
}

TEST(TraceRecorder, CountsWhatIsTooMuch) {
  TraceRecorder recorder("d0", At(0));
  for (size_t i = 0; i < kMostSpans + 3; ++i) recorder.Record(SpanOf("a", 0, 1));

  const ProcessTrace trace = recorder.Take(At(1));

  EXPECT_EQ(trace.spans.size(), kMostSpans);
  EXPECT_EQ(trace.dropped, 3);
}

/// Their clock shows `ahead_us` more than ours; the way there takes 30, theirs 500, back 10.
ProcessTrace Heard(int64_t ahead_us) {
  return {.process = "p0",
          .received = At(1030 + ahead_us),
          .answered = At(1530 + ahead_us),
          .spans = {SpanOf("a", 1100 + ahead_us, 1200 + ahead_us)}};
}

TEST(CompareClocks, FindsTheDifferenceWithinHalfTheWays) {
  const ClockDifference difference = CompareClocks(Heard(5'000'000), At(1000), At(1540));

  EXPECT_EQ(difference.ahead, microseconds(5'000'010));
  EXPECT_EQ(difference.uncertainty, microseconds(20));
}

TEST(CompareClocks, TakesClocksThatAgreeForOne) {
  const ClockDifference difference = CompareClocks(Heard(0), At(1000), At(1540));

  EXPECT_EQ(difference.ahead, microseconds(0));
  EXPECT_EQ(difference.uncertainty, microseconds(30));
}

TEST(CompareClocks, BringsAllTimesToOurs) {
  ProcessTrace trace = Heard(5'000'000);
  trace.uncertainty = microseconds(7);
  BringToOurClock(trace, {.ahead = microseconds(5'000'000), .uncertainty = microseconds(20)});

  EXPECT_EQ(trace.received, At(1030));
  EXPECT_EQ(trace.answered, At(1530));
  EXPECT_EQ(trace.spans[0].begin, At(1100));
  EXPECT_EQ(trace.spans[0].end, At(1200));
  EXPECT_EQ(trace.uncertainty, microseconds(27));
}

TEST(TraceWire, BringsEveryField) {
  ProcessTrace trace = Heard(0);
  trace.dropped = 4;
  trace.uncertainty = microseconds(9);
  trace.spans[0].args = {{"bytes", -5}};

  const auto read = ParseTrace(SerializeTrace(trace));

  ASSERT_TRUE(read);
  EXPECT_EQ(read->process, "p0");
  EXPECT_EQ(read->received, trace.received);
  EXPECT_EQ(read->answered, trace.answered);
  EXPECT_EQ(read->dropped, 4);
  EXPECT_EQ(read->uncertainty, trace.uncertainty);
  ASSERT_EQ(read->spans.size(), 1u);
  EXPECT_EQ(read->spans[0].name, "a");
  EXPECT_EQ(read->spans[0].row, "row");
  EXPECT_EQ(read->spans[0].begin, trace.spans[0].begin);
  EXPECT_EQ(read->spans[0].end, trace.spans[0].end);
  ASSERT_EQ(read->spans[0].args.size(), 1u);
  EXPECT_EQ(read->spans[0].args[0].name, "bytes");
  EXPECT_EQ(read->spans[0].args[0].value, -5);
}

TEST(TraceWire, RefusesWhatNoTraceHas) {
  const auto refused = [](auto change) {
    ProcessTrace trace = Heard(0);
    change(trace);
    return !ParseTrace(SerializeTrace(trace));
  };
  EXPECT_FALSE(refused([](ProcessTrace&) {}));
  EXPECT_TRUE(refused([](ProcessTrace& t) { t.spans.resize(kMostSpans + 1, t.spans[0]); }));
  EXPECT_TRUE(refused([](ProcessTrace& t) { t.spans[0].name.assign(65, 'x'); }));
  EXPECT_TRUE(refused([](ProcessTrace& t) { t.spans[0].args.resize(9); }));
  EXPECT_TRUE(refused([](ProcessTrace& t) { t.spans[0].end = t.spans[0].begin - Duration(1); }));
  EXPECT_TRUE(refused([](ProcessTrace& t) { t.answered = TimePoint(Duration(INT64_MAX)); }));
  EXPECT_FALSE(ParseTrace("no protobuf"));
}

/// The spans of a picture as "process/lane name begin-end".
std::vector<std::string> Picture(const json& trace) {
  std::vector<std::string> spans;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const double begin = event["ts"];
    const double end = begin + event["dur"].get<double>();
    spans.push_back(
        std::to_string(event["pid"].get<int>()) + "/" + std::to_string(event["tid"].get<int>()) +
        " " + event["name"].get<std::string>() + " " + std::to_string(static_cast<int>(begin)) +
        "-" + std::to_string(static_cast<int>(end)));
  }
  return spans;
}

TEST(ChromeTraceJson, CountsMicrosecondsFromTheFirstSpanOn) {
  const json trace =
      json::parse(ChromeTraceJson("r-1", {{.process = "router", .spans = {SpanOf("b", 1030, 1100)}},
                                          {.process = "d0", .spans = {SpanOf("a", 1000, 1010)}}}));

  EXPECT_THAT(Picture(trace), ElementsAre("1/1 b 30-100", "2/1 a 0-10"));
  EXPECT_EQ(trace["otherData"]["request"], "r-1");
}

TEST(ChromeTraceJson, GivesSpansThatOverlapLanesOfTheirOwn) {
  const json trace = json::parse(
      ChromeTraceJson("r", {{.process = "p0",
                             .spans = {SpanOf("a", 0, 30, "puts"), SpanOf("b", 10, 20, "puts"),
                                       SpanOf("c", 20, 40, "puts"), SpanOf("d", 30, 50, "puts"),
                                       SpanOf("e", 0, 9, "engine")}}}));

  EXPECT_THAT(Picture(trace),
              ElementsAre("1/1 a 0-30", "1/2 e 0-9", "1/3 b 10-20", "1/3 c 20-40", "1/1 d 30-50"));
}

TEST(ChromeTraceJson, SaysHowWellTheClocksAgree) {
  const std::string text = ChromeTraceJson(
      "r", {{.process = "p0", .spans = {}, .dropped = 2, .uncertainty = microseconds(31)}});

  EXPECT_THAT(text, testing::HasSubstr("clock within 31.000 us 2 spans dropped"));
}

TEST(ChromeTraceJson, EscapesWhatIsNoPlainText) {
  Span span = SpanOf("pre\"fill\n\xFF", 0, 1);
  span.args = {{"by\\tes", 7}};
  const json trace = json::parse(ChromeTraceJson("r\"", {{.process = "p", .spans = {span}}}));

  const json& event = trace["traceEvents"].back();
  EXPECT_EQ(event["name"], "pre\"fill\n\u00FF");
  EXPECT_EQ(event["args"]["by\\tes"], 7);
}

}  // namespace
}  // namespace baton::telemetry
