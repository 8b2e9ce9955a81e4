#include "baton/loadgen/slo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

using std::chrono::milliseconds;

/// Due at 1 s, with this TTFT and TPOT, of three tokens.
Record Answered(int ttft_ms, int tpot_ms) {
  const Duration first = milliseconds(1000 + ttft_ms);
  return {.due = milliseconds(1000),
          .sent = milliseconds(1000),
          .pieces = {first, first + milliseconds(tpot_ms), first + milliseconds(2 * tpot_ms)},
          .output_tokens = 3};
}
Record WithOutcome(Outcome outcome) {
  Record record = Answered(1, 1);
  record.outcome = outcome;
  return record;
}

TEST(Slo, IsReadAsItIsWritten) {
  EXPECT_EQ(*ParseSlo("500:50"), (Slo{500, 50}));
  EXPECT_EQ(*ParseSlo("0.5:1e3"), (Slo{0.5, 1000}));
  for (const char* text : {"", "500", "500:", ":50", "0:1", "-1:1", "a:b", "1:2:3", "nan:1"}) {
    EXPECT_THAT(ParseSlo(text).status().message(), testing::HasSubstr("500:50")) << text;
  }
}

TEST(Attainment, AsksForBothTimesAtTheirLimits) {
  const std::vector<Record> records = {Answered(100, 10), Answered(101, 10), Answered(100, 11),
                                       Answered(101, 11)};
  const Attainment attainment = MeasureAttainment(records, {100, 10});
  EXPECT_EQ(attainment.requests, 4);
  EXPECT_EQ(attainment.both, 0.25);
  EXPECT_EQ(attainment.ttft, 0.5);
  EXPECT_EQ(attainment.tpot, 0.5);
}

TEST(Attainment, CountsFailuresAsMissedAndCancelledRequestsNot) {
  const std::vector<Record> records = {Answered(1, 1), WithOutcome(Outcome::kFailed),
                                       WithOutcome(Outcome::kCancelled)};
  const Attainment attainment = MeasureAttainment(records, {100, 10});
  EXPECT_EQ(attainment.requests, 2);
  EXPECT_EQ(attainment.both, 0.5);
}

TEST(Attainment, LetsASingleTokenKeepAnyTpot) {
  Record record = Answered(100, 10);
  record.output_tokens = 1;
  record.pieces.resize(1);
  EXPECT_EQ(MeasureAttainment(std::vector{record}, {100, 0.001}).both, 1);
}

TEST(Attainment, CountsFromTheDueTime) {
  Record record = Answered(100, 1);
  record.sent += milliseconds(90);
  EXPECT_EQ(MeasureAttainment(std::vector{record}, {50, 10}).ttft, 0);
}

TEST(Attainment, OfNothingIsNone) { EXPECT_EQ(MeasureAttainment({}, {1, 1}).both, 0); }

TEST(AttainmentCurve, RisesWithTheScaleAndMeetsTheSloAtOne) {
  std::vector<Record> records;
  for (int i = 1; i <= 100; ++i) records.push_back(Answered(10 * i, i));
  const auto curve = AttainmentCurve(records, {500, 50});
  EXPECT_NEAR(curve.front().scale, 0.1, 1e-12);
  EXPECT_NEAR(curve.back().scale, 10, 1e-12);
  EXPECT_EQ(curve.back().attainment, 1);
  for (size_t i = 1; i < curve.size(); ++i) {
    EXPECT_GE(curve[i].attainment, curve[i - 1].attainment);
  }
  EXPECT_DOUBLE_EQ(curve[curve.size() / 2].scale, 1);
  EXPECT_EQ(curve[curve.size() / 2].attainment, 0.5);
}

}  // namespace
}  // namespace baton::loadgen
