#include <gtest/gtest.h>

#include "peer_sum/plan.h"

namespace baton::kernels::cuda::peer_sum {
namespace {

TEST(PeerSumPlan, GivesEachUnitToOneBlockThatItsPlaceHolds) {
  for (int64_t units = 1; units <= kMostBytes / kUnitBytes; ++units) {
    const Division division = Divide(units * kUnitBytes);
    ASSERT_TRUE(division.blocks >= 1 && division.blocks <= kMostBlocks) << units;
    ASSERT_LE(division.block_units * kUnitBytes, kMostSliceBytes) << units;
    ASSERT_GE(division.blocks * division.block_units, units);
    ASSERT_LT((division.blocks - 1) * division.block_units, units) << "a block without work";
  }
}

TEST(PeerSumPlan, IsForDegreesOfTwoFourAndEightAndSmallMessages) {
  for (const int32_t ranks : {1, 3, 5, 6, 7, 16}) EXPECT_EQ(PeerSumMostBytes(ranks, true), 0);
  for (const int32_t ranks : {2, 4, 8}) {
    EXPECT_EQ(PeerSumMostBytes(ranks, true), kMostBytes);
  }
  EXPECT_EQ(PeerSumMostBytes(2, false), kMostBytes);
  EXPECT_EQ(PeerSumMostBytes(8, false), kMostBytes / 4);
}

}  // namespace
}  // namespace baton::kernels::cuda::peer_sum
