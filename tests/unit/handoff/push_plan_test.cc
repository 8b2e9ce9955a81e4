#include "push_plan.h"

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "pair.h"

namespace baton::handoff {
namespace {

PushPlan MakePlan(int32_t prompt, int32_t cached, int64_t least, std::vector<BlockId> to) {
  return PushPlan({.source = SmallGeometry(),
                   .destination = SmallGeometry(),
                   .prompt_tokens = prompt,
                   .cached_tokens = cached,
                   .least_piece_bytes = least,
                   .blocks = std::move(to)});
}

TEST(PushPlan, NeighboursOnBothSidesAreOneDescriptor) {
  PushPlan plan = MakePlan(32, 0, 0, BlockRange(8, 8));
  plan.SetSource(BlockRange(40, 8));
  plan.Ready(0, 4, 32);
  const auto put = plan.Take();
  ASSERT_EQ(put.size(), 1u);
  EXPECT_EQ(put[0].bytes, static_cast<uint64_t>(8 * SmallGeometry().block_bytes()));
  EXPECT_EQ(put[0].local_offset, static_cast<uint64_t>(40 * SmallGeometry().block_bytes()));
  EXPECT_EQ(put[0].remote_offset, static_cast<uint64_t>(8 * SmallGeometry().block_bytes()));
}

TEST(PushPlan, AGapOnOneSideSplits) {
  PushPlan plan = MakePlan(12, 0, 0, {BlockId{0}, BlockId{1}, BlockId{3}});
  plan.SetSource(BlockRange(40, 3));
  plan.Ready(0, 4, 12);
  EXPECT_EQ(plan.Take().size(), 2u);
}

TEST(PushPlan, SmallLayerGroupsWaitForTheOthers) {
  PushPlan plan = MakePlan(8, 0, 3 * SmallGeometry().layer_bytes(), BlockRange(0, 2));
  plan.SetSource(BlockRange(0, 2));
  plan.Ready(0, 2, 8);
  EXPECT_TRUE(plan.Take().empty());
  plan.Ready(2, 4, 8);
  EXPECT_EQ(plan.Take().size(), 1u);
}

TEST(PushPlan, APartOfABlockWaitsForTheLastToken) {
  const auto block = static_cast<uint64_t>(SmallGeometry().block_bytes());
  PushPlan plan = MakePlan(6, 0, 0, BlockRange(0, 2));
  plan.SetSource(BlockRange(0, 2));
  plan.Ready(0, 4, 5);
  EXPECT_EQ(plan.Take()[0].bytes, block);
  EXPECT_TRUE(plan.Take().empty());
  plan.Ready(0, 4, 6);
  EXPECT_EQ(plan.Take()[0].bytes, block);
  EXPECT_TRUE(plan.TakeRest().empty());
}

TEST(PushPlan, OnlyTheLastChunkGoesInPartsOfItsLayers) {
  PushPlan plan = MakePlan(16, 0, SmallGeometry().layer_bytes(), BlockRange(0, 4));
  plan.SetSource(BlockRange(0, 4));
  plan.Ready(0, 2, 8);
  EXPECT_TRUE(plan.Take().empty());
  plan.Ready(2, 4, 8);
  EXPECT_EQ(plan.Take().size(), 1u);
  plan.Ready(0, 2, 16);
  EXPECT_EQ(plan.Take().size(), 2u);
}

TEST(PushPlan, WhatALayerGroupLeavesOverGoesWithItsChunk) {
  PushPlan plan = MakePlan(8, 0, 3 * SmallGeometry().layer_bytes(), BlockRange(0, 2));
  plan.SetSource(BlockRange(0, 2));
  plan.Ready(0, 3, 8);
  EXPECT_EQ(plan.Take().size(), 2u);
  plan.Ready(3, 4, 8);
  const auto rest = plan.Take();
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].bytes, static_cast<uint64_t>(SmallGeometry().layer_bytes()));
}

TEST(PushPlan, CountsTokensThatAreThereInAllLayers) {
  PushPlan plan = MakePlan(8, 0, 0, BlockRange(0, 2));
  plan.SetSource(BlockRange(0, 2));
  plan.Ready(0, 3, 8);
  EXPECT_EQ(plan.tokens_ready(), 0);
  plan.Ready(3, 4, 5);
  EXPECT_EQ(plan.tokens_ready(), 5);
}

/// In whatever order chunks and layer groups come, each byte is copied once and to its place.
TEST(PushPlan, CopiesEveryByteOnceInAnyOrderOfWork) {
  const auto block = static_cast<uint64_t>(SmallGeometry().block_bytes());
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const auto prompt = static_cast<int32_t>(1 + random.Below(60));
    const int32_t count = BlocksOf(prompt, SmallGeometry());
    const auto cached = static_cast<int32_t>(random.Below(static_cast<uint64_t>(prompt)) / 4 * 4);
    std::vector<BlockId> from = BlockRange(0, count), to = BlockRange(0, count);
    for (auto* blocks : {&from, &to}) {
      for (size_t i = blocks->size(); i > 1; --i) {
        if (random.Below(2) != 0) std::swap((*blocks)[i - 1], (*blocks)[random.Below(i)]);
      }
    }
    PushPlan plan = MakePlan(prompt, cached, static_cast<int64_t>(random.Below(4 * 128)), to);
    plan.SetSource(from);
    std::vector<int> written(block * static_cast<uint64_t>(count));
    const auto apply = [&](const std::vector<transport::Descriptor>& put) {
      for (const auto& d : put) {
        for (uint64_t i = 0; i < d.bytes; ++i) {
          ++written[d.remote_offset + i];
          const uint64_t source = d.local_offset + i, target = d.remote_offset + i;
          const auto index =
              std::find(to.begin(), to.end(), BlockId{static_cast<int32_t>(target / block)});
          ASSERT_EQ(Index(from[static_cast<size_t>(index - to.begin())]),
                    static_cast<int32_t>(source / block));
          ASSERT_EQ(source % block, target % block);
        }
      }
    };
    for (int step = 0; step < 12; ++step) {
      const auto begin = static_cast<int32_t>(random.Below(4));
      const auto end = static_cast<int32_t>(begin + 1 + random.Below(4 - begin));
      plan.Ready(begin, end, static_cast<int32_t>(random.Below(static_cast<uint64_t>(prompt) + 1)));
      apply(plan.Take());
    }
    apply(plan.TakeRest());
    for (size_t i = 0; i < to.size(); ++i) {
      const int expected = static_cast<int32_t>(i) * 4 < cached ? 0 : 1;
      const size_t first = static_cast<size_t>(Index(to[i])) * block;
      for (size_t b = first; b < first + block; ++b) ASSERT_EQ(written[b], expected) << seed;
    }
  }
}

}  // namespace
}  // namespace baton::handoff
