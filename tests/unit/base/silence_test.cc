#include "baton/base/silence.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLimit = milliseconds(600);
constexpr TimePoint kStart{seconds(10)};

/// Looks when it is time to, until the limit is reached or `end`; returns when it was.
TimePoint LookUntil(Silence& silence, TimePoint end) {
  while (silence.next() < end) {
    const TimePoint now = silence.next();
    if (silence.Look(now)) return now;
  }
  return end;
}

TEST(Silence, IsNoticedAtTheLimit) {
  Silence silence(kLimit, kStart);
  EXPECT_EQ(LookUntil(silence, kStart + seconds(5)), kStart + kLimit);
}

TEST(Silence, BeginsAnewWhenSomethingIsHeard) {
  Silence silence(kLimit, kStart);
  EXPECT_EQ(LookUntil(silence, kStart + milliseconds(450)), kStart + milliseconds(450));
  silence.Heard(kStart + milliseconds(450));
  EXPECT_EQ(LookUntil(silence, kStart + seconds(5)), kStart + milliseconds(450) + kLimit);
}

TEST(Silence, DoesNotCountTimeInWhichWeDidNotLook) {
  Silence silence(kLimit, kStart);
  EXPECT_FALSE(silence.Look(kStart + seconds(5)));
  // What waited for us can be heard before the next look.
  silence.Heard(kStart + seconds(5));
  EXPECT_FALSE(silence.Look(kStart + seconds(5) + milliseconds(100)));
}

TEST(Silence, IsNoticedThoughEachLookComesLate) {
  Silence silence(kLimit, kStart);
  TimePoint now = kStart;
  int looks = 0;
  do {
    now += milliseconds(170);
    ++looks;
  } while (!silence.Look(now));
  EXPECT_EQ(looks, 6);
}

TEST(Silence, CountsWhatPassedHoweverOftenWeLook) {
  Silence silence(kLimit, kStart);
  TimePoint now = kStart;
  while (!silence.Look(now)) now += milliseconds(1);
  EXPECT_EQ(now, kStart + kLimit);
}

}  // namespace
}  // namespace baton
