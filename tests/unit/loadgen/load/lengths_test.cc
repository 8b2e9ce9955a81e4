#include "baton/loadgen/lengths.h"

#include <algorithm>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

Lengths Parsed(const std::string& text) {
  const auto lengths = ParseLengths(text);
  EXPECT_TRUE(lengths.ok()) << lengths.status();
  return lengths.ok() ? *lengths : Lengths{};
}

TEST(Lengths, AreReadAsTheyAreWritten) {
  for (const char* text : {"1", "512", "100-200", "7-7", "lognormal:512:0.8", "lognormal:64:0"}) {
    EXPECT_EQ(Parsed(text).ToString(), text);
  }
}

TEST(Lengths, AreRefusedWhereTheySayNothing) {
  for (const char* text : {"", "0", "-5", "1.5", "200-100", "0-5", "10-", "a", "lognormal:512",
                           "lognormal:0:1", "lognormal:10:-1", "512 ", "nan", "1e99", "1-inf"}) {
    const auto lengths = ParseLengths(text);
    EXPECT_FALSE(lengths.ok()) << text;
    EXPECT_THAT(lengths.status().message(), testing::HasSubstr("lognormal:512:0.8")) << text;
  }
}

TEST(Lengths, OfOneLengthAreThat) {
  Random random(1);
  EXPECT_EQ(Parsed("512").Draw(random), 512);
}

TEST(Lengths, OfARangeReachBothEndsAndNothingBeyond) {
  const Lengths lengths = Parsed("3-6");
  Random random(1);
  std::set<int32_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(lengths.Draw(random));
  EXPECT_EQ(seen, (std::set<int32_t>{3, 4, 5, 6}));
}

TEST(Lengths, OfALognormalDistributionHaveItsQuantiles) {
  const Lengths lengths = Parsed("lognormal:1000:0.5");
  Random random(1);
  std::vector<int32_t> drawn(20'001);
  for (int32_t& length : drawn) length = lengths.Draw(random);
  std::sort(drawn.begin(), drawn.end());
  EXPECT_NEAR(drawn[10'000], 1000, 20);
  // One standard deviation above: 1000 e^0.5.
  EXPECT_NEAR(drawn[16'827], 1649, 40);
}

TEST(Lengths, AreNeverLessThanOneToken) {
  const Lengths lengths = Parsed("lognormal:1:3");
  Random random(1);
  for (int i = 0; i < 1000; ++i) ASSERT_GE(lengths.Draw(random), 1);
}

}  // namespace
}  // namespace baton::loadgen
