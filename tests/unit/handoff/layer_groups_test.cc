#include "baton/handoff/layer_groups.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "pair.h"

namespace baton::handoff {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using transport::PathCost;

constexpr PathCost kSharedMemory{nanoseconds(300), nanoseconds(80), 12e9};
constexpr PathCost kRdma{microseconds(3), nanoseconds(400), 45e9};
constexpr PathCost kTcp{microseconds(90), microseconds(12), 1.5e9};
/// 64 KiB per layer of a block.
constexpr kv::KvGeometry kLlama{.layers = 32, .kv_heads = 8, .head_dim = 128};
/// 512 bytes.
constexpr kv::KvGeometry kSmall{.layers = 4, .kv_heads = 1, .head_dim = 8};

TEST(LayerGroups, APieceTakesNineTimesAsLongAsItsPut) {
  EXPECT_EQ(LeastPieceBytes(kSharedMemory), 8640);
  EXPECT_EQ(LeastPieceBytes(kRdma), 162000);
  EXPECT_EQ(LeastPieceBytes(kTcp), 162000);
  EXPECT_NEAR(static_cast<double>(LeastPieceBytes({.bytes_per_s = 27e9})), 4860, 1)
      << "a put that seems to be free";
}

TEST(LayerGroups, APieceIsNeitherTinyNorLargerThanWhatIsCutAnyway) {
  EXPECT_EQ(LeastPieceBytes({.bytes_per_s = 1e9}), 512);
  EXPECT_EQ(LeastPieceBytes({.per_put = microseconds(500), .bytes_per_s = 1e10}), 1 << 20);
}

TEST(LayerGroups, GoByThePathTheLayerAndTheChunk) {
  EXPECT_EQ(LayersPerGroup(kSharedMemory, kLlama, 512), 1);
  EXPECT_EQ(LayersPerGroup(kSharedMemory, kLlama, 16), 32);
  EXPECT_EQ(LayersPerGroup(kSharedMemory, kLlama, 128), 4);
  EXPECT_EQ(LayersPerGroup(kRdma, kLlama, 512), 4);
  EXPECT_EQ(LayersPerGroup(kTcp, kLlama, 512), 4);
  EXPECT_EQ(LayersPerGroup(kSharedMemory, kSmall, 512), 4);
}

TEST(LayerGroups, AreAlikeInSize) {
  for (const int32_t chunk : {16, 32, 64, 128, 256, 512, 4096}) {
    const int32_t group = LayersPerGroup(kRdma, kLlama, chunk);
    const int32_t groups = (32 + group - 1) / group;
    EXPECT_LT(group * groups - 32, groups) << chunk;
  }
}

struct Early {
  PathCost cost;
  /// Of two blocks of which three of four layers are there.
  int64_t bytes;
};

class GroupsOfPath : public HandoffPair, public testing::WithParamInterface<Early> {
 protected:
  GroupsOfPath() : HandoffPair({.cost = GetParam().cost}) {
    prefill_options_.least_piece_bytes.reset();
  }
};

TEST_P(GroupsOfPath, LayersGoAloneOnlyWhereThatPays) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 2), 0);
  prefill_->KvReady(SequenceId{1}, 0, 3, 8);
  Pump();
  const int64_t arrived = std::count_if(d_region_.data, d_region_.data + d_region_.bytes,
                                        [](std::byte byte) { return byte != std::byte{0}; });
  EXPECT_EQ(arrived, GetParam().bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Paths, GroupsOfPath,
    testing::Values(Early{{.per_put = nanoseconds(50), .bytes_per_s = 1e9}, 2 * 768},
                    Early{{.per_put = microseconds(1), .bytes_per_s = 1e9}, 0}));

}  // namespace
}  // namespace baton::handoff
