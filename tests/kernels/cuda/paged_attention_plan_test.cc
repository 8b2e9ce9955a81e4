#include <cstring>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/base/units.h"
#include "paged_attention/plan.h"

namespace baton::kernels::cuda::paged_attention {
namespace {

struct Sequence {
  int32_t tokens = 0;
  int32_t kv_tokens = 0;
};

/// A plan as its kernels read it, from memory of just PlanBytes.
struct Plan {
  Plan(const ops::PlanShape& shape, const std::vector<Sequence>& sequences,
       const PlanLimits& limits = {})
      : bytes(PlanBytes(shape)) {
    std::vector<int32_t> query_begin = {0};
    std::vector<int32_t> kv_tokens;
    for (const Sequence& s : sequences) {
      query_begin.push_back(query_begin.back() + s.tokens);
      kv_tokens.push_back(s.kv_tokens);
    }
    WritePlan({.query_begin = query_begin.data(),
               .kv_tokens = kv_tokens.data(),
               .S = static_cast<int32_t>(sequences.size()),
               .T = query_begin.back()},
              shape, limits, bytes.data());
    std::memcpy(&header, bytes.data(), sizeof header);
    narrow = List<Item>(header.narrow_at, header.narrow_items);
    wide = List<Item>(header.wide_at, header.wide_items);
    merges = List<Merge>(header.merges_at, header.merges);
  }

  template <class T>
  std::vector<T> List(int32_t at, int32_t count) const {
    const size_t end = static_cast<size_t>(at) + static_cast<size_t>(count) * sizeof(T);
    EXPECT_LE(end, bytes.size());
    std::vector<T> list(static_cast<size_t>(count));
    if (count > 0) std::memcpy(list.data(), bytes.data() + at, list.size() * sizeof(T));
    return list;
  }

  std::vector<std::byte> bytes;
  Header header;
  std::vector<Item> narrow;
  std::vector<Item> wide;
  std::vector<Merge> merges;
};

/// Sequence, KV head, packed row.
using Row = std::tuple<int32_t, int32_t, int32_t>;

/// Each row's splits are all computed once, and come together once where they were apart.
void ExpectWhole(const ops::PlanShape& shape, const std::vector<Sequence>& sequences,
                 const PlanLimits& limits = {}) {
  const Plan plan(shape, sequences, limits);
  const int32_t group = shape.H / shape.G;
  std::map<Row, std::multiset<int32_t>> splits;
  std::map<int32_t, const Item*> partials;
  std::set<int32_t> scratch_rows;
  std::map<Row, int> results;
  const auto take = [&](const Item& item, int32_t most) {
    ASSERT_TRUE(item.rows > 0 && item.rows <= most);
    ASSERT_TRUE(item.partial < 0 || item.splits == 1 ||
                (most == kWideRows && item.first_split == 0));
    for (int32_t r = item.first; r < item.first + item.rows; ++r) {
      for (int32_t i = 0; i < item.splits; ++i) {
        splits[{item.sequence, item.kv_head, r}].insert(item.first_split + i);
      }
      if (item.partial < 0) ++results[{item.sequence, item.kv_head, r}];
    }
    if (item.partial >= 0) {
      partials.emplace(item.partial, &item);
      for (int32_t r = item.partial; r < item.partial + item.rows; ++r) {
        ASSERT_LT(r, limits.partial_rows);
        ASSERT_LE((r + 1) * PartialFloats(shape.D) * sizeof(float), ScratchBytes(shape));
        ASSERT_TRUE(scratch_rows.insert(r).second) << "a row of the scratch of two items";
      }
    }
  };
  for (const Item& item : plan.narrow) take(item, kWarpRows);
  for (const Item& item : plan.wide) take(item, kWideRows);
  for (const Merge& merge : plan.merges) {
    int32_t split = 0;
    for (int32_t i = 0; i < merge.parts; ++i) {
      const Item& item = *partials.at(merge.partial + i * merge.rows);
      ASSERT_EQ(item.first_split, split) << "merged out of order";
      split += item.splits;
      ASSERT_EQ(std::tie(item.kv_head, item.step_row, item.first, item.rows),
                std::tie(merge.kv_head, merge.step_row, merge.first, merge.rows));
    }
    const Item& item = *partials.at(merge.partial);
    for (int32_t r = merge.first; r < merge.first + merge.rows; ++r) {
      ++results[{item.sequence, item.kv_head, r}];
    }
  }
  size_t rows = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (int32_t g = 0; g < shape.G; ++g) {
      for (int32_t r = 0; r < sequences[s].tokens * group; ++r, ++rows) {
        const Row row{static_cast<int32_t>(s), g, r};
        const int32_t position = sequences[s].kv_tokens - sequences[s].tokens + r / group;
        ASSERT_EQ(results[row], 1) << "sequence " << s << " head " << g << " row " << r;
        const std::multiset<int32_t>& computed = splits[row];
        ASSERT_GE(static_cast<int32_t>(computed.size()), CeilDiv(position + 1, kSplitPositions));
        int32_t expected = 0;
        for (const int32_t split : computed) ASSERT_EQ(split, expected++);
      }
    }
  }
  ASSERT_EQ(splits.size(), rows);
  ASSERT_EQ(partials.size(), static_cast<size_t>(plan.header.partials));
}

TEST(PagedAttentionPlan, ComputesEveryRowOnce) {
  Random random(1);
  for (int round = 0; round < 60; ++round) {
    const auto upto = [&](int64_t most) { return static_cast<int32_t>(1 + random.Below(most)); };
    const int32_t G = upto(8);
    const ops::PlanShape shape{.H = G * upto(20),
                               .G = G,
                               .D = 64,
                               .P = 16,
                               .step_tokens = 256,
                               .sequences = 40,
                               .context_tokens = 20000};
    std::vector<Sequence> sequences;
    int32_t left = shape.step_tokens;
    for (int32_t s = upto(shape.sequences); s > 0 && left > 0; --s) {
      const int32_t tokens = random.Below(3) == 0 ? upto(left) : 1;
      left -= tokens;
      sequences.push_back({.tokens = tokens, .kv_tokens = tokens - 1 + upto(shape.context_tokens)});
    }
    ASSERT_NO_FATAL_FAILURE(ExpectWhole(shape, sequences)) << "round " << round;
    const PlanLimits scarce{.wide_blocks = upto(600), .partial_rows = upto(30000)};
    ASSERT_NO_FATAL_FAILURE(ExpectWhole(shape, sequences, scarce)) << "round " << round;
  }
}

TEST(PagedAttentionPlan, KeepsItsBoundsWithAFullBatchOfLongSequences) {
  const ops::PlanShape shape{.H = 64,
                             .G = 8,
                             .D = 128,
                             .P = 16,
                             .step_tokens = 512,
                             .sequences = 512,
                             .context_tokens = 131072};
  ExpectWhole(shape, std::vector<Sequence>(512, {.tokens = 1, .kv_tokens = 131072}));
}

TEST(PagedAttentionPlan, HasOnlyNarrowItemsWithNoMoreRowsThanSequences) {
  const ops::PlanShape shape{.H = 32,
                             .G = 2,
                             .D = 64,
                             .P = 16,
                             .step_tokens = 20,
                             .sequences = 20,
                             .context_tokens = 4096};
  std::vector<Sequence> sequences(20, {.tokens = 0, .kv_tokens = 100});
  sequences[7] = {.tokens = 13, .kv_tokens = 1040};
  sequences[9] = {.tokens = 7, .kv_tokens = 7};
  ExpectWhole(shape, sequences);
  EXPECT_TRUE(Plan(shape, sequences).wide.empty());
}

ops::PlanShape ShapeOfEightBillion(int32_t step_tokens, int32_t context_tokens) {
  return {.H = 32,
          .G = 8,
          .D = 128,
          .P = 16,
          .step_tokens = step_tokens,
          .sequences = 64,
          .context_tokens = context_tokens};
}

TEST(PagedAttentionPlan, SplitsAChunkTooShortForTheDeviceAtEverySplit) {
  const ops::PlanShape shape = ShapeOfEightBillion(512, 32768);
  const std::vector<Sequence> chunk = {{.tokens = 64, .kv_tokens = 32768}};
  ExpectWhole(shape, chunk);
  // 64 tokens times 4 heads of a group are four items of 64 rows for each of 8 KV heads.
  EXPECT_EQ(Plan(shape, chunk).wide.size(), 4U * 8U * 64U);
  EXPECT_EQ(Plan(shape, chunk).merges.size(), 4U * 8U);
}

TEST(PagedAttentionPlan, LeavesChunksWholeThatFillTheDevice) {
  const ops::PlanShape shape = ShapeOfEightBillion(1024, 32768);
  const Plan full(shape, {{.tokens = 528, .kv_tokens = 32768}});
  EXPECT_EQ(full.wide.size(), static_cast<size_t>(kWideBlocks * kMostMultiprocessors));
  EXPECT_TRUE(full.merges.empty());
  EXPECT_FALSE(Plan(shape, {{.tokens = 512, .kv_tokens = 32768}}).merges.empty());
}

TEST(PagedAttentionPlan, LeavesChunksWholeThatFillAPartOfTheDevice) {
  const std::vector<int32_t> query_begin = {0, 272};
  const std::vector<int32_t> kv_tokens = {32768};
  const ops::PagedBatch batch{
      .query_begin = query_begin.data(), .kv_tokens = kv_tokens.data(), .S = 1, .T = 272};
  const auto merges = [&](int32_t multiprocessors) {
    ops::PlanShape shape = ShapeOfEightBillion(512, 32768);
    shape.multiprocessors = multiprocessors;
    std::vector<std::byte> plan(PlanBytes(shape));
    WritePlan(batch, shape, plan.data());
    Header header;
    std::memcpy(&header, plan.data(), sizeof header);
    return header.merges;
  };
  // 17 items of 64 rows for each of 8 KV heads.
  EXPECT_EQ(merges(68), 0);
  EXPECT_GT(merges(69), 0);
  EXPECT_GT(merges(0), 0);
}

TEST(PagedAttentionPlan, GivesAChunksItemsEqualPartsWhereThereIsNoRoomForAll) {
  const ops::PlanShape shape = ShapeOfEightBillion(512, 131072);
  const Plan plan(shape, {{.tokens = 256, .kv_tokens = 131072}});
  // 128 items of 64 rows: partials for 16 each.
  ASSERT_EQ(plan.merges.size(), 128U);
  for (const Merge& merge : plan.merges) EXPECT_EQ(merge.parts, 16);
  EXPECT_EQ(plan.wide.front().splits, 256 - 15);
}

TEST(PagedAttentionPlan, SplitsADecodeForTheWholeDevice) {
  const ops::PlanShape shape{.H = 32,
                             .G = 8,
                             .D = 128,
                             .P = 16,
                             .step_tokens = 64,
                             .sequences = 64,
                             .context_tokens = 16384};
  const Plan plan(shape, {{.tokens = 1, .kv_tokens = 16384}});
  EXPECT_EQ(plan.narrow.size(), 8U * 32U);
  EXPECT_EQ(plan.merges.size(), 8U);
  EXPECT_TRUE(plan.wide.empty());
}

TEST(PagedAttentionPlan, SplitsAllOfAFullBatchOfDecodes) {
  const ops::PlanShape shape{.H = 32,
                             .G = 8,
                             .D = 128,
                             .P = 16,
                             .step_tokens = 128,
                             .sequences = 128,
                             .context_tokens = 4096};
  const std::vector<Sequence> sequences(128, {.tokens = 1, .kv_tokens = 4096});
  ExpectWhole(shape, sequences);
  EXPECT_EQ(Plan(shape, sequences).narrow.size(), 128U * 8U * 8U);
}

TEST(PagedAttentionPlan, PutsLongItemsFirst) {
  const ops::PlanShape shape{.H = 8,
                             .G = 2,
                             .D = 64,
                             .P = 16,
                             .step_tokens = 2048,
                             .sequences = 16,
                             .context_tokens = 4096};
  const Plan plan(shape, {{.tokens = 700, .kv_tokens = 700}, {.tokens = 300, .kv_tokens = 4000}},
                  {.wide_blocks = 0});
  ASSERT_GT(plan.wide.size(), 2U);
  for (size_t i = 1; i < plan.wide.size(); ++i) {
    EXPECT_GE(plan.wide[i - 1].kv_tokens + kTilePositions, plan.wide[i].kv_tokens);
  }
}

TEST(PagedAttentionPlan, OfNothingHasNoItems) {
  const ops::PlanShape shape{
      .H = 8, .G = 2, .D = 64, .P = 16, .step_tokens = 16, .sequences = 4, .context_tokens = 64};
  const Plan plan(shape, {});
  EXPECT_TRUE(plan.narrow.empty() && plan.wide.empty() && plan.merges.empty());
}

}  // namespace
}  // namespace baton::kernels::cuda::paged_attention
