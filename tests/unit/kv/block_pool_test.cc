#include "baton/kv/block_pool.h"

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::kv {
namespace {

std::vector<BlockId> Take(BlockPool& pool, int32_t count, BlockId after = kNoBlock) {
  std::vector<BlockId> blocks;
  EXPECT_TRUE(pool.Allocate(count, after, blocks));
  return blocks;
}

std::vector<int32_t> Ids(const std::vector<BlockId>& blocks) {
  std::vector<int32_t> ids;
  for (const BlockId block : blocks) ids.push_back(Index(block));
  return ids;
}

TEST(BlockPool, HandsOutConsecutiveIdsFromTheShortestRunThatHoldsThem) {
  BlockPool pool(10);
  const auto all = Take(pool, 10);
  for (const int32_t i : {1, 2, 5, 6, 7, 9}) pool.Unshare(all[static_cast<size_t>(i)]);

  EXPECT_EQ(Ids(Take(pool, 2)), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(Ids(Take(pool, 3)), (std::vector<int32_t>{5, 6, 7}));
}

TEST(BlockPool, GoesOnBehindTheLastBlockOfAGrowingSequence) {
  BlockPool pool(10);
  const auto first = Take(pool, 2);
  EXPECT_EQ(Ids(Take(pool, 3, first.back())), (std::vector<int32_t>{2, 3, 4}));
  EXPECT_EQ(Ids(Take(pool, 1, BlockId{7})), (std::vector<int32_t>{8}));
}

TEST(BlockPool, ChangesNothingWhenBlocksRunShort) {
  BlockPool pool(4);
  std::vector<BlockId> blocks;
  EXPECT_FALSE(pool.Allocate(5, kNoBlock, blocks));
  EXPECT_TRUE(blocks.empty());
  EXPECT_EQ(pool.counts(), (BlockCounts{.free = 4}));
}

TEST(BlockPool, ReusesABlockOnlyAfterItsLastShareIsReleased) {
  BlockPool pool(1);
  const BlockId block = Take(pool, 1)[0];
  pool.Share(block);
  pool.Unshare(block);
  EXPECT_EQ(pool.available(), 0);
  pool.Unshare(block);
  EXPECT_EQ(pool.counts(), (BlockCounts{.free = 1}));
}

TEST(BlockPool, KeepsAnIndexedBlockCachedAndEvictsTheLeastRecentlyUsed) {
  BlockPool pool(3);
  std::vector<int32_t> forgotten;
  pool.OnEvict([&](BlockId block) { forgotten.push_back(Index(block)); });
  const auto blocks = Take(pool, 3);
  for (const BlockId block : blocks) pool.MarkIndexed(block);
  for (const int i : {1, 0, 2}) pool.Unshare(blocks[static_cast<size_t>(i)]);
  pool.Share(blocks[1]);
  pool.Unshare(blocks[1]);

  EXPECT_EQ(pool.counts(), (BlockCounts{.cached = 3}));
  Take(pool, 2);
  EXPECT_EQ(forgotten, (std::vector<int32_t>{0, 2}));
}

TEST(BlockPool, NeverHandsOutAQuarantinedBlock) {
  BlockPool pool(2);
  const auto blocks = Take(pool, 2);
  pool.Quarantine(blocks[0]);
  pool.Unshare(blocks[1]);
  std::vector<BlockId> more;
  EXPECT_FALSE(pool.Allocate(2, kNoBlock, more));
  pool.EndQuarantine(blocks[0]);
  EXPECT_TRUE(pool.Allocate(2, kNoBlock, more));
}

/// A second account of who holds what, against which random operations are checked.
class RandomPool {
 public:
  explicit RandomPool(uint64_t seed) : random_(seed), pool_(kBlocks) {
    pool_.OnEvict([this](BlockId block) {
      EXPECT_EQ(shares_[At(block)], 0) << "evicted a block in use";
      EXPECT_FALSE(quarantined_[At(block)]);
      indexed_[At(block)] = false;
    });
  }

  void Step() {
    switch (random_.Below(6)) {
      case 0: return Allocate();
      case 1: return OnUsed([&](BlockId b) { pool_.Share(b), ++shares_[At(b)]; });
      case 2:
      case 3: return OnUsed([&](BlockId b) { pool_.Unshare(b), --shares_[At(b)]; });
      case 4: return OnUsed([&](BlockId b) { MarkIndexed(b); });
      default: return Quarantine();
    }
  }

  void Check() const {
    BlockCounts counts;
    for (int32_t i = 0; i < kBlocks; ++i) {
      const size_t at = static_cast<size_t>(i);
      const BlockState state = pool_.state(BlockId{i});
      counts.free += state == BlockState::kFree;
      counts.used += state == BlockState::kUsed;
      counts.cached += state == BlockState::kCached;
      counts.quarantined += state == BlockState::kQuarantined;
      ASSERT_EQ(pool_.shares(BlockId{i}), shares_[at]);
      ASSERT_EQ(state == BlockState::kUsed, shares_[at] > 0);
      ASSERT_EQ(state == BlockState::kQuarantined, quarantined_[at]);
      ASSERT_EQ(state == BlockState::kCached, shares_[at] == 0 && indexed_[at]);
    }
    ASSERT_EQ(counts, pool_.counts());
  }

 private:
  static constexpr int32_t kBlocks = 24;
  static size_t At(BlockId block) { return static_cast<size_t>(Index(block)); }

  void Allocate() {
    std::vector<BlockId> out;
    const int32_t count = static_cast<int32_t>(random_.Below(8));
    const BlockId after{static_cast<int32_t>(random_.Below(kBlocks + 1)) - 1};
    const bool fits = count <= pool_.available();
    EXPECT_EQ(pool_.Allocate(count, after, out), fits);
    EXPECT_EQ(out.size(), fits ? static_cast<size_t>(count) : 0);
    for (const BlockId block : out) {
      EXPECT_EQ(shares_[At(block)], 0) << "two owners";
      EXPECT_FALSE(quarantined_[At(block)]);
      shares_[At(block)] = 1;
    }
  }

  template <typename Do>
  void OnUsed(Do&& act) {
    const BlockId block{static_cast<int32_t>(random_.Below(kBlocks))};
    if (shares_[At(block)] > 0) act(block);
  }

  void MarkIndexed(BlockId block) {
    if (!indexed_[At(block)]) pool_.MarkIndexed(block);
    indexed_[At(block)] = true;
  }

  void Quarantine() {
    const BlockId block{static_cast<int32_t>(random_.Below(kBlocks))};
    if (quarantined_[At(block)]) {
      pool_.EndQuarantine(block);
      quarantined_[At(block)] = false;
    } else if (shares_[At(block)] == 1 && !indexed_[At(block)]) {
      pool_.Quarantine(block);
      quarantined_[At(block)] = true;
      shares_[At(block)] = 0;
    }
  }

  Random random_;
  BlockPool pool_;
  std::vector<int32_t> shares_ = std::vector<int32_t>(kBlocks);
  std::vector<bool> indexed_ = std::vector<bool>(kBlocks);
  std::vector<bool> quarantined_ = std::vector<bool>(kBlocks);
};

TEST(BlockPool, LosesNothingAndGivesNothingTwiceUnderRandomUse) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    RandomPool pool(seed);
    for (int i = 0; i < 500; ++i) {
      pool.Step();
      ASSERT_NO_FATAL_FAILURE(pool.Check());
    }
  }
}

}  // namespace
}  // namespace baton::kv
