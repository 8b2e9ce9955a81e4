#include "baton/loadgen/arrivals.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

constexpr int kDraws = 20'000;

std::vector<double> Gaps(const ArrivalOptions& options, uint64_t seed) {
  Random random(seed);
  std::vector<double> gaps(kDraws);
  for (double& gap : gaps) gap = Seconds(DrawGap(options, random));
  return gaps;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Standard deviation over mean.
double Variation(const std::vector<double>& values) {
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size())) / mean;
}

/// Kolmogorov's distance between the values and the exponential distribution of this rate.
double DistanceToExponential(std::vector<double> values, double rate) {
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  double distance = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = 1 - std::exp(-rate * values[i]);
    distance = std::max({distance, std::abs(expected - static_cast<double>(i) / count),
                         std::abs(expected - static_cast<double>(i + 1) / count)});
  }
  return distance;
}

/// What the distance stays below in 99.9 of 100 samples of the distribution itself.
const double kNear = 1.95 / std::sqrt(kDraws);

TEST(Arrivals, OfAPoissonProcessHaveExponentialGaps) {
  for (const double rate : {0.5, 40.0}) {
    const auto gaps = Gaps({.kind = ArrivalKind::kPoisson, .requests_per_s = rate}, 1);
    EXPECT_LT(DistanceToExponential(gaps, rate), kNear) << rate;
  }
}

TEST(Arrivals, OfAGammaProcessWithoutBurstinessAreThoseOfAPoissonProcess) {
  const auto gaps = Gaps({.kind = ArrivalKind::kGamma, .requests_per_s = 3, .cv = 1}, 2);
  EXPECT_LT(DistanceToExponential(gaps, 3), kNear);
}

TEST(Arrivals, OfAGammaProcessHaveItsRateAndBurstiness) {
  for (const double cv : {0.25, 0.5, 2.0, 4.0}) {
    const auto gaps = Gaps({.kind = ArrivalKind::kGamma, .requests_per_s = 5, .cv = cv}, 3);
    EXPECT_NEAR(Mean(gaps) * 5, 1, 4 * cv / std::sqrt(kDraws)) << cv;
    EXPECT_NEAR(Variation(gaps) / cv, 1, 0.1) << cv;
    EXPECT_GT(DistanceToExponential(gaps, 5), 10 * kNear) << cv;
  }
}

TEST(Arrivals, OfAConstantRateComeLikeAClock) {
  Random random(0);
  EXPECT_THAT(
      DrawArrivals({.kind = ArrivalKind::kConstant, .requests_per_s = 4}, {.requests = 3}, random),
      ElementsAre(milliseconds(250), milliseconds(500), milliseconds(750)));
}

TEST(Arrivals, EndWithTheDurationOrTheCountWhicheverComesFirst) {
  const ArrivalOptions options{.kind = ArrivalKind::kConstant, .requests_per_s = 10};
  Random random(0);
  EXPECT_EQ(DrawArrivals(options, {.duration = seconds(1)}, random).size(), 9U);
  EXPECT_EQ(DrawArrivals(options, {.requests = 5, .duration = seconds(1)}, random).size(), 5U);
}

TEST(Arrivals, AreManyOrFewInADurationAsPoissonSays) {
  // The count's variance is its mean.
  std::vector<double> counts;
  Random random(4);
  for (int i = 0; i < 2000; ++i) {
    counts.push_back(static_cast<double>(
        DrawArrivals({.requests_per_s = 20}, {.duration = seconds(1)}, random).size()));
  }
  EXPECT_NEAR(Mean(counts), 20, 0.4);
  EXPECT_NEAR(std::pow(Variation(counts) * Mean(counts), 2), 20, 2);
}

TEST(Arrivals, AreTheSameForTheSameSeed) {
  Random one(7), same(7), other(8);
  const auto times = DrawArrivals({}, {.requests = 50}, one);
  EXPECT_EQ(times, DrawArrivals({}, {.requests = 50}, same));
  EXPECT_NE(times, DrawArrivals({}, {.requests = 50}, other));
}

}  // namespace
}  // namespace baton::loadgen
