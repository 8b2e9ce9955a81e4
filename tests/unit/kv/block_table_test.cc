#include "baton/kv/block_table.h"

#include <gtest/gtest.h>

namespace baton::kv {
namespace {

TEST(BlockTable, GrowsByWholeBlocksOnlyWhenTokensNeedThem) {
  BlockPool pool(4);
  BlockTable table(16);
  EXPECT_TRUE(table.Grow(pool, 16));
  EXPECT_EQ(table.size(), 1);
  EXPECT_TRUE(table.Grow(pool, 17));
  EXPECT_EQ(table.size(), 2);
  EXPECT_FALSE(table.Grow(pool, 65));
  EXPECT_EQ(table.size(), 2);
  table.Free(pool);
  EXPECT_EQ(pool.counts(), (BlockCounts{.free = 4}));
}

TEST(BlockTable, EvictsTheEndOfAPrefixBeforeItsBeginning) {
  BlockPool pool(3);
  std::vector<int32_t> forgotten;
  pool.OnEvict([&](BlockId block) { forgotten.push_back(Index(block)); });
  BlockTable table(16);
  ASSERT_TRUE(table.Grow(pool, 48));
  for (const BlockId block : table.blocks()) pool.MarkIndexed(block);
  table.Free(pool);

  ASSERT_TRUE(table.Grow(pool, 32));
  EXPECT_EQ(forgotten, (std::vector<int32_t>{2, 1}));
  table.Free(pool);
}

TEST(BlockTable, QuarantinesOnlyWhatThePeerMayWrite) {
  BlockPool pool(4);
  BlockTable owner(16);
  ASSERT_TRUE(owner.Grow(pool, 16));
  BlockTable table(16);
  table.Adopt(pool, owner.blocks());
  ASSERT_TRUE(table.Grow(pool, 48));

  table.Quarantine(pool, 1);
  EXPECT_EQ(pool.counts(), (BlockCounts{.free = 1, .used = 1, .quarantined = 2}));
  table.EndQuarantine(pool);
  owner.Free(pool);
  EXPECT_EQ(pool.counts(), (BlockCounts{.free = 4}));
}

}  // namespace
}  // namespace baton::kv
