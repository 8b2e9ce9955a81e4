#include "baton/app/backoff.h"

#include <gtest/gtest.h>

namespace baton::app {
namespace {

using namespace std::chrono_literals;

config::Restart Options() {
  return {.delay = 100ms, .longest_delay = 1s, .healthy = 10s, .attempts = 3};
}

TEST(Backoff, DoublesUpToTheLongestDelay) {
  ManualClock clock;
  Backoff backoff(Options());
  backoff.OnReady(clock.Now());
  for (const Duration delay : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    EXPECT_EQ(backoff.OnEnd(clock.Now()), delay);
    backoff.OnStart();
  }
}

TEST(Backoff, StartsAnewAfterAHealthyTime) {
  ManualClock clock;
  Backoff backoff(Options());
  backoff.OnReady(clock.Now());
  backoff.OnEnd(clock.Now());
  backoff.OnStart();
  backoff.OnReady(clock.Now());
  clock.Advance(10s);
  EXPECT_EQ(backoff.OnEnd(clock.Now()), 100ms);
}

TEST(Backoff, DoesNotTakeReadinessAloneForHealth) {
  ManualClock clock;
  Backoff backoff(Options());
  backoff.OnReady(clock.Now());
  backoff.OnEnd(clock.Now());
  backoff.OnStart();
  backoff.OnReady(clock.Now());
  clock.Advance(9s);
  EXPECT_EQ(backoff.OnEnd(clock.Now()), 200ms);
}

TEST(Backoff, GivesUpOnAProcessThatWasNeverReady) {
  ManualClock clock;
  Backoff backoff(Options());
  EXPECT_EQ(backoff.OnEnd(clock.Now()), 100ms);
  EXPECT_EQ(backoff.OnEnd(clock.Now()), 200ms);
  EXPECT_EQ(backoff.OnEnd(clock.Now()), std::nullopt);
}

TEST(Backoff, NeverGivesUpOnAProcessThatWasReadyOnce) {
  ManualClock clock;
  Backoff backoff(Options());
  backoff.OnReady(clock.Now());
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(backoff.OnEnd(clock.Now()), std::nullopt);
    backoff.OnStart();
  }
}

}  // namespace
}  // namespace baton::app
