#include "baton/base/units.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Units, ParsesSizesInEveryUnit) {
  EXPECT_EQ(*ParseBytes("4096"), 4096);
  EXPECT_EQ(*ParseBytes("512MiB"), 512 * kMiB);
  EXPECT_EQ(*ParseBytes("1.5 GiB"), kGiB + kGiB / 2);
  EXPECT_EQ(*ParseBytes("2GB"), 2'000'000'000);
  EXPECT_EQ(*ParseBytes("0"), 0);
}

TEST(Units, RefusesWhatIsNotASize) {
  for (const char* text : {"", "MiB", "-1", "12 parsecs", "1e30", "9999999TiB", "0x10", "1 Mi B"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
  EXPECT_NE(ParseBytes("7mb").status().message().find("512MiB"), std::string::npos);
}

TEST(Units, FormatsSizesToBeRead) {
  EXPECT_EQ(FormatBytes(640), "640 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(3 * kGiB), "3.0 GiB");
}

TEST(Units, FormatsTimesInMilliseconds) {
  EXPECT_EQ(FormatMs(std::chrono::microseconds(1)), "0.001 ms");
  EXPECT_EQ(FormatMs(std::chrono::microseconds(1999)), "2 ms");
  EXPECT_EQ(FormatMs(std::chrono::microseconds(10400)), "10 ms");
  EXPECT_EQ(FormatMs(std::chrono::seconds(2)), "2000 ms");
}

TEST(Units, FormatsTimesInSeconds) {
  EXPECT_EQ(FormatSeconds(std::chrono::milliseconds(4)), "0.004 s");
  EXPECT_EQ(FormatSeconds(std::chrono::milliseconds(1250)), "1.25 s");
  EXPECT_EQ(FormatSeconds(std::chrono::hours(24)), "86400 s");
}

TEST(Units, DividesRoundingUp) {
  EXPECT_EQ(CeilDiv(0, 4), 0);
  EXPECT_EQ(CeilDiv(4, 4), 1);
  EXPECT_EQ(CeilDiv(5, 4), 2);
}

}  // namespace
}  // namespace baton
