#include "baton/kv/prefix_index.h"

#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/kv/block_table.h"

namespace baton::kv {
namespace {

constexpr int32_t kBlockTokens = 4;

std::vector<TokenId> Tokens(int32_t count, TokenId first = 0) {
  std::vector<TokenId> tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

/// Computes `tokens` into fresh blocks and names them, as an engine would.
BlockTable Compute(BlockPool& pool, PrefixIndex& index, std::span<const TokenId> tokens,
                   uint64_t salt = 0) {
  BlockTable table(kBlockTokens);
  EXPECT_TRUE(table.Grow(pool, static_cast<int32_t>(tokens.size())));
  PrefixNode node = kPrefixRoot;
  for (size_t i = 0; (i + 1) * kBlockTokens <= tokens.size(); ++i) {
    node =
        index.Insert(node, tokens.subspan(i * kBlockTokens, kBlockTokens), salt, table.blocks()[i]);
  }
  return table;
}

TEST(PrefixIndex, FindsTheLongestPrefixInWholeBlocks) {
  BlockPool pool(8);
  PrefixIndex index(pool, kBlockTokens);
  BlockTable table = Compute(pool, index, Tokens(10));

  auto other = Tokens(12);
  other[9] = 99;
  const PrefixMatch match = index.Lookup(other, 0);
  EXPECT_EQ(match.blocks, (std::vector<BlockId>{table.blocks()[0], table.blocks()[1]}));
  table.Free(pool);
  EXPECT_EQ(pool.counts(), (BlockCounts{.free = 6, .cached = 2}));
}

TEST(PrefixIndex, KeepsSaltsApart) {
  BlockPool pool(8);
  PrefixIndex index(pool, kBlockTokens);
  BlockTable table = Compute(pool, index, Tokens(8), 1);
  EXPECT_EQ(index.Lookup(Tokens(8), 1).blocks.size(), 2);
  EXPECT_TRUE(index.Lookup(Tokens(8), 2).blocks.empty());
  table.Free(pool);
}

TEST(PrefixIndex, DoesNotFindTheSameTokensBehindAnotherPrefix) {
  BlockPool pool(8);
  PrefixIndex index(pool, kBlockTokens);
  BlockTable table = Compute(pool, index, Tokens(8));
  EXPECT_TRUE(index.Lookup(Tokens(4, 4), 0).blocks.empty());
  table.Free(pool);
}

TEST(PrefixIndex, KeepsTheFirstOfTwoBlocksWithTheSameKv) {
  BlockPool pool(8);
  PrefixIndex index(pool, kBlockTokens);
  BlockTable first = Compute(pool, index, Tokens(8));
  BlockTable second = Compute(pool, index, Tokens(8));
  EXPECT_EQ(index.Lookup(Tokens(8), 0).blocks, first.blocks());
  EXPECT_EQ(index.size(), 2);
  second.Free(pool);
  first.Free(pool);
  EXPECT_EQ(pool.counts(), (BlockCounts{.free = 6, .cached = 2}));
}

TEST(PrefixIndex, ForgetsEvictedBlocks) {
  BlockPool pool(2);
  PrefixIndex index(pool, kBlockTokens);
  Compute(pool, index, Tokens(8)).Free(pool);
  BlockTable table(kBlockTokens);
  ASSERT_TRUE(table.Grow(pool, 4));
  EXPECT_EQ(index.Lookup(Tokens(8), 0).blocks.size(), 1);
  ASSERT_TRUE(table.Grow(pool, 8));
  EXPECT_TRUE(index.Lookup(Tokens(8), 0).blocks.empty());
  EXPECT_EQ(index.size(), 0);
}

/// The keys of all prefixes of whole blocks.
std::vector<PrefixKey> Keys(std::span<const TokenId> tokens, uint64_t salt = 0) {
  std::vector<PrefixKey> keys;
  PrefixKey key = kPrefixRootKey;
  for (; tokens.size() >= kBlockTokens; tokens = tokens.subspan(kBlockTokens)) {
    keys.push_back(key = ExtendPrefix(key, tokens.first(kBlockTokens), salt));
  }
  return keys;
}

TEST(PrefixIndex, TellsThatWhatLiesBehindAForgottenBlockCanBeFoundNoMore) {
  BlockPool pool(3);
  PrefixIndex index(pool, kBlockTokens);
  std::set<PrefixKey> found;
  index.OnChange([&](PrefixChange change) {
    change.stored ? void(found.insert(change.key)) : void(found.erase(change.key));
  });
  BlockTable table = Compute(pool, index, Tokens(12));
  EXPECT_EQ(found.size(), 3u);
  // So that the first one is the oldest.
  for (const BlockId block : std::vector(table.blocks())) pool.Unshare(block);
  std::vector<BlockId> fresh;
  ASSERT_TRUE(pool.Allocate(1, BlockId{-1}, fresh));
  EXPECT_TRUE(index.Lookup(Tokens(12), 0).blocks.empty());
  EXPECT_TRUE(found.empty());
}

/// Random prefixes in a small pool, whose blocks are given back in any order.
TEST(PrefixIndex, TellsExactlyWhatLookupFinds) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    BlockPool pool(12);
    PrefixIndex index(pool, kBlockTokens);
    std::set<PrefixKey> told;
    index.OnChange([&](PrefixChange change) {
      ASSERT_EQ(told.contains(change.key), !change.stored);
      change.stored ? void(told.insert(change.key)) : void(told.erase(change.key));
    });
    for (int i = 0; i < 400; ++i) {
      std::vector<TokenId> tokens(kBlockTokens * (1 + random.Below(5)));
      for (auto& token : tokens) token = random.Below(8) == 0;
      const PrefixMatch match = index.Lookup(tokens, 1);
      size_t hits = 0;
      for (const PrefixKey key : Keys(tokens, 1)) {
        if (!told.contains(key)) break;
        ++hits;
      }
      ASSERT_EQ(hits, match.blocks.size());
      BlockTable table(kBlockTokens);
      table.Adopt(pool, match.blocks);
      ASSERT_TRUE(table.Grow(pool, static_cast<int32_t>(tokens.size())));
      PrefixNode node = match.tail;
      for (size_t b = hits; b < table.blocks().size(); ++b) {
        node = index.Insert(node, std::span(tokens).subspan(b * kBlockTokens, kBlockTokens), 1,
                            table.blocks()[b]);
      }
      std::vector<BlockId> blocks = table.blocks();
      for (size_t b = blocks.size(); b > 1; --b) std::swap(blocks[b - 1], blocks[random.Below(b)]);
      for (const BlockId block : blocks) pool.Unshare(block);
    }
  }
}

/// Few tokens and a small pool, so that prefixes meet, are evicted and come back.
TEST(PrefixIndex, NeverReturnsABlockThatHoldsAnotherPrefix) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    BlockPool pool(12);
    PrefixIndex index(pool, kBlockTokens);
    std::map<int32_t, std::vector<TokenId>> content;  // What was computed into each block.
    for (int i = 0; i < 300; ++i) {
      std::vector<TokenId> tokens(kBlockTokens * (1 + random.Below(4)));
      for (auto& token : tokens) token = random.Below(8) == 0;
      const PrefixMatch match = index.Lookup(tokens, 0);
      BlockTable table(kBlockTokens);
      table.Adopt(pool, match.blocks);
      ASSERT_TRUE(table.Grow(pool, static_cast<int32_t>(tokens.size())));
      PrefixNode node = match.tail;
      for (size_t b = 0; b < table.blocks().size(); ++b) {
        const auto prefix = std::vector(
            tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>((b + 1) * kBlockTokens));
        auto& held = content[Index(table.blocks()[b])];
        if (b < match.blocks.size()) {
          ASSERT_EQ(held, prefix);
          continue;
        }
        held = prefix;
        node = index.Insert(node, std::span(tokens).subspan(b * kBlockTokens, kBlockTokens), 0,
                            table.blocks()[b]);
      }
      table.Free(pool);
      ASSERT_EQ(pool.counts().used, 0);
      ASSERT_EQ(pool.counts().cached, index.size());
    }
  }
}

}  // namespace
}  // namespace baton::kv
