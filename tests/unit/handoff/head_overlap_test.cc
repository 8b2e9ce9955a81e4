#include "head_overlap.h"

#include <set>
#include <utility>

#include <gtest/gtest.h>

namespace baton::handoff {
namespace {

kv::KvGeometry Ranks(int32_t kv_heads, int32_t tp_size) {
  return {.layers = 1, .kv_heads = kv_heads, .head_dim = 8, .tp_size = tp_size};
}

using Overlaps = std::vector<HeadOverlap>;

TEST(HeadOverlap, OfEqualRanksIsEachRanksOwn) {
  EXPECT_EQ(OverlapHeads(Ranks(8, 2), Ranks(8, 2)), (Overlaps{{0, 0, 0, 0, 4}, {1, 1, 0, 0, 4}}));
}

TEST(HeadOverlap, OfOneRankAndTwoIsHalfEach) {
  EXPECT_EQ(OverlapHeads(Ranks(8, 1), Ranks(8, 2)), (Overlaps{{0, 0, 0, 0, 4}, {0, 1, 4, 0, 4}}));
  EXPECT_EQ(OverlapHeads(Ranks(8, 2), Ranks(8, 1)), (Overlaps{{0, 0, 0, 0, 4}, {1, 0, 0, 4, 4}}));
}

TEST(HeadOverlap, TakesTurnsAmongRanksThatHoldTheSameHead) {
  EXPECT_EQ(OverlapHeads(Ranks(2, 4), Ranks(2, 2)), (Overlaps{{0, 0, 0, 0, 1}, {3, 1, 0, 0, 1}}));
}

TEST(HeadOverlap, GivesEachRankEachOfItsHeadsOnce) {
  for (const int32_t heads : {1, 2, 6, 8}) {
    for (const int32_t from : {1, 2, 3, 4, 8, 16}) {
      for (const int32_t to : {1, 2, 3, 4, 8, 16}) {
        const kv::KvGeometry source = Ranks(heads, from), destination = Ranks(heads, to);
        if (!kv::CheckCompatible(source, source).ok()) continue;
        if (!kv::CheckCompatible(source, destination).ok()) continue;
        SCOPED_TRACE(testing::Message() << heads << " heads, " << from << " to " << to);
        std::set<std::pair<int32_t, int32_t>> given;
        for (const HeadOverlap& overlap : OverlapHeads(source, destination)) {
          ASSERT_LT(overlap.source_rank, from);
          ASSERT_LE(overlap.source_head + overlap.heads, source.rank_kv_heads());
          for (int32_t i = 0; i < overlap.heads; ++i) {
            const int32_t head = overlap.destination_head + i;
            EXPECT_EQ(source.first_kv_head(overlap.source_rank) + overlap.source_head + i,
                      destination.first_kv_head(overlap.destination_rank) + head);
            EXPECT_TRUE(given.emplace(overlap.destination_rank, head).second);
          }
        }
        EXPECT_EQ(given.size(), static_cast<size_t>(to * destination.rank_kv_heads()));
      }
    }
  }
}

}  // namespace
}  // namespace baton::handoff
