#include "ratio_hold.h"

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::router {
namespace {

using std::chrono::seconds;

class RatioHoldTest : public testing::Test {
 protected:
  static constexpr Duration kDwell = seconds(60);

  /// Looks once a second for as long; when it first says to change.
  std::optional<Duration> ChangesWithin(Duration time, double current, double best) {
    const TimePoint begin = now_;
    for (; now_ <= begin + time; now_ += seconds(1)) {
      if (hold_.Look(now_, {.capacity_per_s = current}, {.capacity_per_s = best})) {
        return now_ - begin;
      }
    }
    return std::nullopt;
  }

  TimePoint now_{seconds(1000)};
  RatioHold hold_{kDwell};
};

TEST_F(RatioHoldTest, ChangesOnceMoreThanTheMarginWasPromisedForAWhile) {
  EXPECT_EQ(ChangesWithin(seconds(100), 10, 12), seconds(10));
}

TEST_F(RatioHoldTest, StaysForLessThanTheMargin) {
  EXPECT_FALSE(ChangesWithin(seconds(1000), 10, 11.4));
}

TEST_F(RatioHoldTest, BeginsAnewAfterABreak) {
  EXPECT_FALSE(ChangesWithin(seconds(9), 10, 12));
  EXPECT_FALSE(ChangesWithin(seconds(0), 10, 11));
  EXPECT_EQ(ChangesWithin(seconds(100), 10, 12), seconds(10));
  EXPECT_FALSE(ChangesWithin(seconds(0), 10, 11));
  EXPECT_FALSE(ChangesWithin(seconds(9), 10, 12));
  hold_.Break();
  EXPECT_EQ(ChangesWithin(seconds(100), 10, 12), seconds(10));
}

TEST_F(RatioHoldTest, DwellsAfterAChange) {
  hold_.OnChange(now_, false);
  EXPECT_EQ(ChangesWithin(seconds(1000), 10, 12), kDwell);
}

TEST_F(RatioHoldTest, DwellsLongerAfterEachChangeThatFailed) {
  hold_.OnChange(now_, true);
  EXPECT_EQ(ChangesWithin(seconds(1000), 10, 12), 2 * kDwell);
  hold_.OnChange(now_, true);
  EXPECT_EQ(ChangesWithin(seconds(1000), 10, 12), 4 * kDwell);
  hold_.OnChange(now_, false);
  EXPECT_EQ(ChangesWithin(seconds(1000), 10, 12), kDwell);
}

TEST_F(RatioHoldTest, LeavesRolesThatKeepNoSlo) {
  EXPECT_EQ(ChangesWithin(seconds(100), 0, 1), seconds(10));
  EXPECT_FALSE(ChangesWithin(seconds(100), 0, 0));
}

/// What either ratio promises against the other swings by a fifth around equal.
TEST_F(RatioHoldTest, DoesNotSwingWithANoisyLoadNearTheThreshold) {
  Random random(11);
  bool split = false;
  int changes = 0;
  for (int second = 0; second < 24 * 3600; ++second, now_ += seconds(1)) {
    const double gain = 0.8 + 0.4 * random.Uniform();
    const double of_split = 10 * gain;
    const double current = split ? of_split : 10;
    if (!hold_.Look(now_, {.capacity_per_s = current},
                    {.capacity_per_s = std::max(10.0, of_split)})) {
      continue;
    }
    split = !split;
    ++changes;
    hold_.OnChange(now_, false);
  }
  EXPECT_EQ(changes, 0);
}

/// It swings as slowly as it may, however fast the load does.
TEST_F(RatioHoldTest, ChangesAtMostOncePerDwell) {
  int changes = 0;
  for (int second = 0; second < 6000; ++second, now_ += seconds(1)) {
    if (!hold_.Look(now_, {.capacity_per_s = 1}, {.capacity_per_s = 2})) continue;
    ++changes;
    hold_.OnChange(now_, false);
  }
  EXPECT_EQ(changes, 6000 / 60);
}

}  // namespace
}  // namespace baton::router
