#include "liveness.h"

#include <gtest/gtest.h>

namespace baton::worker {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint kStart{std::chrono::seconds(10)};

rpc::JoinHello Hello(milliseconds silence) { return {.worker = {}, .silence = silence}; }

/// Signs given within a second of turns every 10 ms.
int SignsInASecond(Liveness& liveness) {
  int signs = 0;
  for (int i = 0; i < 100; ++i) signs += liveness.TakeSign(kStart + milliseconds(10) * i) ? 1 : 0;
  return signs;
}

TEST(Liveness, GivesThreeSignsInTheTimeThatThePeerWaits) {
  Liveness liveness(Hello(milliseconds(100)), Hello(milliseconds(750)), kStart);
  EXPECT_EQ(SignsInASecond(liveness), 4);
}

TEST(Liveness, DoesNotFloodAnImpatientPeer) {
  Liveness liveness(Hello(milliseconds(750)), Hello(milliseconds(1)), kStart);
  EXPECT_EQ(SignsInASecond(liveness), 50);
}

TEST(Liveness, MakesUpForNoSignsThatItMissed) {
  Liveness liveness(Hello(milliseconds(750)), Hello(milliseconds(750)), kStart);
  EXPECT_TRUE(liveness.TakeSign(kStart));
  EXPECT_TRUE(liveness.TakeSign(kStart + std::chrono::seconds(5)));
  EXPECT_FALSE(liveness.TakeSign(kStart + std::chrono::seconds(5)));
}

TEST(Liveness, LosesAPeerThatIsSilentForOurOwnLimit) {
  Liveness liveness(Hello(milliseconds(300)), Hello(milliseconds(9000)), kStart);
  TimePoint now = kStart;
  while (!liveness.Lost(now)) now += milliseconds(10);
  EXPECT_EQ(now, kStart + milliseconds(300));
}

TEST(Liveness, AsksNothingOfAPeerThatGivesNoSigns) {
  Liveness liveness(Hello(milliseconds(300)), Hello(milliseconds(0)), kStart);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(liveness.Lost(kStart + milliseconds(100) * i));
  EXPECT_FALSE(liveness.TakeSign(kStart));
  EXPECT_EQ(liveness.next(), TimePoint::max());
}

}  // namespace
}  // namespace baton::worker
