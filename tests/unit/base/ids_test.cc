#include "baton/base/ids.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Epoch, RoundTripsThroughText) {
  const Epoch epoch{.high = 0x0123456789abcdef, .low = 0xfedcba9876543210};
  EXPECT_EQ(epoch.ToString(), "0123456789abcdeffedcba9876543210");
  EXPECT_EQ(*Epoch::Parse(epoch.ToString()), epoch);
}

TEST(Epoch, RefusesWhatIsNot32HexadecimalDigits) {
  for (const char* text :
       {"", "0123", "0123456789abcdeffedcba987654321g", "0123456789abcdeffedcba98765432100",
        "-123456789abcdeffedcba9876543210"}) {
    EXPECT_FALSE(Epoch::Parse(text).ok()) << text;
  }
}

TEST(Epoch, IsAnotherForEachIncarnation) { EXPECT_NE(Epoch::Random(), Epoch::Random()); }

TEST(Ids, GiveTheirIndex) {
  EXPECT_EQ(Index(BlockId{7}), 7);
  EXPECT_EQ(Index(kNoBlock), -1);
}

}  // namespace
}  // namespace baton
