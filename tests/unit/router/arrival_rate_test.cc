#include "arrival_rate.h"

#include <gtest/gtest.h>

namespace baton::router {
namespace {

using std::chrono::milliseconds;

TEST(ArrivalRate, IsThatOfTheLastArrivals) {
  ArrivalRate rate;
  ManualClock clock;
  EXPECT_EQ(rate.PerSecond(clock.Now()), 0);
  rate.Count(clock.Now());
  EXPECT_EQ(rate.PerSecond(clock.Now()), 0);
  const auto come = [&](int count, Duration gap) {
    for (int i = 0; i < count; ++i) {
      clock.Advance(gap);
      rate.Count(clock.Now());
    }
    return rate.PerSecond(clock.Now());
  };
  EXPECT_NEAR(come(1, milliseconds(100)), 10, 1e-9);
  EXPECT_NEAR(come(50, milliseconds(100)), 10, 1e-9);
  EXPECT_NEAR(come(500, milliseconds(10)), 100, 1);
}

TEST(ArrivalRate, FallsWhileNobodyComes) {
  ArrivalRate rate;
  ManualClock clock;
  rate.Count(clock.Now());
  clock.Advance(milliseconds(100));
  rate.Count(clock.Now());
  clock.Advance(milliseconds(100));
  EXPECT_NEAR(rate.PerSecond(clock.Now()), 10, 1e-9);
  clock.Advance(std::chrono::seconds(100));
  EXPECT_LT(rate.PerSecond(clock.Now()), 0.01);
}

TEST(ArrivalRate, IsFiniteWhenAllComeAtOnce) {
  ArrivalRate rate;
  ManualClock clock;
  for (int i = 0; i < 3; ++i) rate.Count(clock.Now());
  EXPECT_GT(rate.PerSecond(clock.Now()), 1000);
  EXPECT_LT(rate.PerSecond(clock.Now()), 1e7);
}

}  // namespace
}  // namespace baton::router
