#include "baton/loadgen/goodput.h"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::loadgen {
namespace {

/// Searches against a server whose attainment is a function of the rate.
struct Searched {
  double goodput = 0;
  int steps = 0;
  bool bounded = false;
};
Searched SearchAgainst(const GoodputOptions& options, const std::function<double(double)>& server) {
  GoodputSearch search(options);
  Searched result;
  while (const auto rate = search.Next()) {
    search.Add(*rate, server(*rate));
    ++result.steps;
  }
  result.goodput = search.goodput();
  result.bounded = search.bounded();
  return result;
}

/// Waiting times of a queue with one server: requests that wait less than a limit.
double Queue(double rate, double capacity) {
  const double free = capacity - rate;
  return free <= 0 ? 0 : 1 - std::exp(-free);
}

TEST(GoodputSearch, FindsTheRateOfAQueueFromWhereverItBegins) {
  // 1 - e^-(capacity - rate) = 0.9 at 2.303 below the capacity.
  for (const double capacity : {3.0, 10.0, 250.0}) {
    const double truth = capacity - std::log(10);
    for (const double first : {0.05, 1.0, 7.0, 5000.0}) {
      const Searched found = SearchAgainst({.precision = 0.02, .first_rate = first},
                                           [&](double rate) { return Queue(rate, capacity); });
      EXPECT_LE(found.goodput, truth) << capacity << " " << first;
      EXPECT_GE(found.goodput * 1.02, truth) << capacity << " " << first;
      EXPECT_FALSE(found.bounded);
    }
  }
}

TEST(GoodputSearch, AsksFirstForWhereItBegins) {
  EXPECT_EQ(GoodputSearch({.first_rate = 7}).Next(), 7);
}

TEST(GoodputSearch, DoublesUntilTheGoalIsMissedThenTakesTheMiddleByRatio) {
  GoodputSearch search({.first_rate = 2});
  search.Add(2, 1);
  EXPECT_EQ(search.Next(), 4);
  search.Add(4, 0.95);
  EXPECT_EQ(search.Next(), 8);
  search.Add(8, 0.2);
  EXPECT_DOUBLE_EQ(*search.Next(), std::sqrt(32));
}

TEST(GoodputSearch, HalvesUntilTheGoalIsReached) {
  GoodputSearch search({.first_rate = 8});
  search.Add(8, 0.2);
  EXPECT_EQ(search.Next(), 4);
}

TEST(GoodputSearch, TakesFewStepsForAFactorOfAThousand) {
  const Searched found =
      SearchAgainst({.first_rate = 1}, [](double rate) { return rate <= 1000 ? 1.0 : 0.0; });
  EXPECT_LE(found.steps, 16);
}

TEST(GoodputSearch, EndsAtItsBoundsAndSaysSo) {
  const Searched high =
      SearchAgainst({.first_rate = 1, .most_rate = 50}, [](double) { return 1.0; });
  EXPECT_EQ(high.goodput, 50);
  EXPECT_TRUE(high.bounded);
  const Searched low =
      SearchAgainst({.first_rate = 1, .least_rate = 0.1}, [](double) { return 0.0; });
  EXPECT_EQ(low.goodput, 0);
  EXPECT_TRUE(low.bounded);
}

TEST(GoodputSearch, OutvotesOneUnluckyStep) {
  GoodputSearch search({});
  search.Add(40, 0.98);
  search.Add(44, 0.77);
  search.Add(46, 0.95);
  search.Add(50, 0.97);
  search.Add(60, 0.99);
  // The four that contradict each other have 0.92 together.
  EXPECT_EQ(search.goodput(), 60);
  EXPECT_EQ(search.Next(), 120);
}

TEST(GoodputSearch, OutvotesOneLuckyStep) {
  GoodputSearch search({});
  search.Add(40, 0.98);
  search.Add(44, 0.77);
  search.Add(60, 0.92);
  EXPECT_EQ(search.goodput(), 40);
  EXPECT_DOUBLE_EQ(*search.Next(), std::sqrt(40 * 44));
}

TEST(GoodputSearch, ComesNearTheTruthThroughNoise) {
  // Some hundred requests a step: attainment is off by some per cent.
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed);
    const Searched found = SearchAgainst({.first_rate = 3}, [&](double rate) {
      return Queue(rate, 100) + 0.04 * (random.Uniform() - 0.5);
    });
    EXPECT_NEAR(found.goodput, 97.7, 7) << seed;
  }
}

TEST(GoodputSearch, EndsWhateverTheServerAnswers) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    const Searched found =
        SearchAgainst({.precision = 0.001}, [&](double) { return random.Uniform() + 0.4; });
    EXPECT_LE(found.steps, 24);
  }
}

TEST(GoodputSearch, UsesStepsThatAnotherSearchAskedFor) {
  GoodputSearch search({.precision = 0.05});
  search.Add(10, 0.95);
  search.Add(10.4, 0.85);
  EXPECT_FALSE(search.Next());
  EXPECT_EQ(search.goodput(), 10);
}

}  // namespace
}  // namespace baton::loadgen
