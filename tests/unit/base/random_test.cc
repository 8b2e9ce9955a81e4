#include "baton/base/random.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

using Words = std::array<uint32_t, 4>;

/// Known answers that come with Random123 (philox4x32-10): counter, key, result.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(UniformAt, DependsOnSeedAndPositionOnly) {
  EXPECT_EQ(UniformAt(1, 2), UniformAt(1, 2));
  EXPECT_NE(UniformAt(1, 2), UniformAt(1, 3));
  EXPECT_NE(UniformAt(1, 2), UniformAt(2, 2));
  EXPECT_NE(UniformAt(1, 2), UniformAt(1, 2 + (uint64_t{1} << 32)));
}

TEST(UniformAt, FillsTheUnitIntervalEvenly) {
  std::array<int, 10> counts{};
  for (uint64_t i = 0; i < 100000; ++i) {
    const float u = UniformAt(7, i);
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    ++counts[static_cast<size_t>(u * 10)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
}

TEST(Random, RepeatsItselfFromTheSameSeed) {
  Random a(5), b(5), c(6);
  for (int i = 0; i < 10; ++i) {
    const uint64_t next = a.Next();
    EXPECT_EQ(next, b.Next());
    EXPECT_NE(next, c.Next());
  }
  EXPECT_LT(a.Below(3), 3u);
}

}  // namespace
}  // namespace baton
