#include "baton/loadgen/statistics.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::loadgen {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::Pair;

TEST(Percentile, IsWhatNumPyGives) {
  // numpy.percentile([15, 20, 35, 40, 50], [0, 5, 30, 40, 50, 100]).
  const std::vector<double> values = {15, 20, 35, 40, 50};
  EXPECT_DOUBLE_EQ(Percentile(values, 0), 15);
  EXPECT_DOUBLE_EQ(Percentile(values, 0.05), 16);
  EXPECT_DOUBLE_EQ(Percentile(values, 0.3), 23);
  EXPECT_DOUBLE_EQ(Percentile(values, 0.4), 29);
  EXPECT_DOUBLE_EQ(Percentile(values, 0.5), 35);
  EXPECT_DOUBLE_EQ(Percentile(values, 1), 50);
  EXPECT_DOUBLE_EQ(Percentile(std::vector<double>{7}, 0.99), 7);
}

TEST(Percentile, LiesBetweenTheNeighboursInTheSortedValues) {
  Random random(1);
  for (const size_t count : {1U, 2U, 99U, 100U, 101U, 1000U}) {
    std::vector<double> values(count);
    for (double& value : values) value = random.Uniform();
    std::sort(values.begin(), values.end());
    for (const double q : {0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0}) {
      const double place = q * static_cast<double>(count - 1);
      const double percentile = Percentile(values, q);
      EXPECT_GE(percentile, values[static_cast<size_t>(std::floor(place))]);
      EXPECT_LE(percentile, values[static_cast<size_t>(std::ceil(place))]);
    }
  }
}

TEST(Summary, OfUnsortedValuesIsInOrder) {
  std::vector<double> values;
  for (int i = 0; i <= 100; ++i) values.push_back((i * 37) % 101);
  const Summary summary = Summarise(values);
  EXPECT_EQ(summary.count, 101);
  EXPECT_DOUBLE_EQ(summary.mean, 50);
  EXPECT_DOUBLE_EQ(summary.p50, 50);
  EXPECT_DOUBLE_EQ(summary.p90, 90);
  EXPECT_DOUBLE_EQ(summary.p95, 95);
  EXPECT_DOUBLE_EQ(summary.p99, 99);
  EXPECT_DOUBLE_EQ(summary.max, 100);
}

TEST(Summary, OfNothingIsZero) { EXPECT_EQ(Summarise({}).count, 0); }

Record Answer(int due_ms, int sent_ms, const std::vector<int>& pieces_ms) {
  Record record{.due = milliseconds(due_ms),
                .sent = milliseconds(sent_ms),
                .prompt_tokens = 10,
                .output_tokens = static_cast<int32_t>(pieces_ms.size()),
                .usage = true};
  for (const int piece : pieces_ms) record.pieces.push_back(milliseconds(piece));
  record.end = record.pieces.back();
  return record;
}

Record Failure(const std::string& kind) {
  return {.due = milliseconds(100),
          .sent = milliseconds(100),
          .end = milliseconds(900),
          .outcome = Outcome::kFailed,
          .error = kind,
          .message = "about " + kind};
}

TEST(Figures, AreOfWholeAnswers) {
  const Figures figures = Measure(std::vector{Answer(0, 20, {100, 110, 140}), Failure("timeout"),
                                              Failure("timeout"), Failure("connect")});
  EXPECT_EQ(figures.done, 1);
  EXPECT_EQ(figures.failed, 3);
  EXPECT_THAT(figures.errors, ElementsAre(Pair("connect", 1), Pair("timeout", 2)));
  EXPECT_EQ(figures.error_samples.at("connect"), "about connect");
  EXPECT_EQ(figures.prompt_tokens, 10);
  EXPECT_EQ(figures.output_tokens, 3);
  EXPECT_DOUBLE_EQ(figures.duration_s, 0.9);
}

TEST(Figures, CountFromTheDueTimeAndFromSending) {
  const Figures figures = Measure(std::vector{Answer(0, 20, {100, 110, 140})});
  EXPECT_DOUBLE_EQ(figures.ttft_ms.p50, 100);
  EXPECT_DOUBLE_EQ(figures.ttft_from_sent_ms.p50, 80);
  EXPECT_DOUBLE_EQ(figures.e2e_ms.p50, 140);
  EXPECT_DOUBLE_EQ(figures.e2e_from_sent_ms.p50, 120);
  EXPECT_DOUBLE_EQ(figures.lateness_ms.p50, 20);
}

TEST(Figures, TakeTpotPerRequestAndItlPerGap) {
  const Figures figures = Measure(std::vector{Answer(0, 0, {100, 110, 140}), Answer(0, 0, {50})});
  EXPECT_EQ(figures.tpot_ms.count, 1);
  EXPECT_DOUBLE_EQ(figures.tpot_ms.mean, 20);
  EXPECT_EQ(figures.itl_ms.count, 2);
  EXPECT_DOUBLE_EQ(figures.itl_ms.max, 30);
}

TEST(Figures, DivideTpotByTheServersTokensWhereAPieceHoldsSeveral) {
  Record record = Answer(0, 0, {100, 200});
  record.output_tokens = 11;
  EXPECT_DOUBLE_EQ(Measure(std::vector{record}).tpot_ms.mean, 10);
}

TEST(Figures, SayWhoseTokensWereNotCountedByTheServer) {
  Record record = Answer(0, 0, {100});
  record.usage = false;
  EXPECT_EQ(Measure(std::vector{record, Answer(0, 0, {1})}).without_usage, 1);
}

TEST(Figures, OfNothingAreZero) {
  const Figures figures = Measure({});
  EXPECT_EQ(figures.duration_s, 0);
  EXPECT_EQ(figures.ttft_ms.count, 0);
}

}  // namespace
}  // namespace baton::loadgen
