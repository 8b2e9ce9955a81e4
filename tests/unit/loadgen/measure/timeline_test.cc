#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/loadgen/statistics.h"

namespace baton::loadgen {
namespace {

using std::chrono::milliseconds;
using testing::DoubleEq;
using testing::ElementsAre;

Record Answer(int due_ms, const std::vector<int>& pieces_ms, int output_tokens) {
  Record record{
      .due = milliseconds(due_ms), .sent = milliseconds(due_ms), .output_tokens = output_tokens};
  for (const int piece : pieces_ms) record.pieces.push_back(milliseconds(piece));
  record.end = record.pieces.back();
  return record;
}

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(Timeline, SharesARequestAmongTheIntervalsThatItSpans) {
  const Timeline timeline = MakeTimeline(std::vector{Answer(500, {1500, 3500}, 2)}, 4);
  EXPECT_EQ(timeline.interval_s, 1);
  EXPECT_THAT(timeline.waiting,
              ElementsAre(DoubleEq(0.5), DoubleEq(0.5), DoubleEq(0), DoubleEq(0)));
  EXPECT_THAT(timeline.running,
              ElementsAre(DoubleEq(0), DoubleEq(0.5), DoubleEq(1), DoubleEq(0.5)));
  EXPECT_THAT(timeline.output_tokens_per_s, ElementsAre(0, 1, 0, 1));
}

TEST(Timeline, LosesNeitherTimeNorTokens) {
  Random random(1);
  std::vector<Record> records;
  double waited_s = 0, ran_s = 0;
  for (int i = 0; i < 200; ++i) {
    const int due = static_cast<int>(random.Below(20'000));
    const int first = due + static_cast<int>(random.Below(900));
    const int last = first + static_cast<int>(random.Below(3000));
    records.push_back(Answer(due, {first, last}, 7));
    waited_s += 1e-3 * (first - due);
    ran_s += 1e-3 * (last - first);
  }
  const Timeline timeline = MakeTimeline(records, 60);
  EXPECT_NEAR(Sum(timeline.waiting) * timeline.interval_s, waited_s, 1e-6);
  EXPECT_NEAR(Sum(timeline.running) * timeline.interval_s, ran_s, 1e-6);
  EXPECT_NEAR(Sum(timeline.output_tokens_per_s) * timeline.interval_s, 1400, 1e-6);
  EXPECT_LE(timeline.running.size(), 61U);
}

TEST(Timeline, HasIntervalsThatAPersonWouldChoose) {
  for (const auto& [last_ms, interval_s] : std::vector<std::pair<int, double>>{
           {999, 0.01}, {1001, 0.02}, {4000, 0.05}, {600'000, 10}}) {
    EXPECT_DOUBLE_EQ(MakeTimeline(std::vector{Answer(0, {1, last_ms}, 2)}, 100).interval_s,
                     interval_s);
  }
}

TEST(Timeline, OfNothingIsEmpty) { EXPECT_TRUE(MakeTimeline({}, 10).running.empty()); }

TEST(Timeline, LetsRequestsWithoutTextWaitToTheirEnd) {
  const Record record{.due = {}, .end = milliseconds(2000), .outcome = Outcome::kFailed};
  const Timeline timeline = MakeTimeline(std::vector{record}, 2);
  EXPECT_NEAR(Sum(timeline.waiting), 2, 1e-9);
  EXPECT_EQ(Sum(timeline.running), 0);
}

}  // namespace
}  // namespace baton::loadgen
