#include <cstring>
#include <map>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/base/units.h"
#include "divided_attention/plan.h"

namespace baton::kernels::cuda::divided_attention {
namespace {

struct Sequence {
  int32_t tokens = 0;
  int32_t kv_tokens = 0;
};

/// Sequence, KV head, query token of the sequence, query head of the group.
using Row = std::tuple<int32_t, int32_t, int32_t, int32_t>;

enum class By { kPrefill, kAttention };

/// A plan as a launch and its kernels read it.
class Planned {
 public:
  Planned(const ops::PlanShape& shape, const std::vector<Sequence>& sequences)
      : shape_(shape), group_(shape.H / shape.G), bytes_(PlanBytes(shape) + kGuard, kUntouched) {
    for (const Sequence& s : sequences) {
      query_begin_.push_back(query_begin_.back() + s.tokens);
      kv_tokens_.push_back(s.kv_tokens);
    }
    batch_ = {.S = static_cast<int32_t>(sequences.size()), .T = query_begin_.back()};
    division_ = DivisionOf(batch_, {.H = shape.H, .G = shape.G, .D = shape.D, .P = shape.P});
    ops::PagedBatch host = batch_;
    host.query_begin = query_begin_.data();
    host.kv_tokens = kv_tokens_.data();
    divided_attention::WritePlan(host, shape, bytes_.data());
  }

  /// Who gives each row its result, once for each time.
  std::multimap<Row, By> Results() const {
    std::multimap<Row, By> results;
    if (division_.has_long) AddLong(results);
    if (division_.has_short) AddShort(results);
    return results;
  }
  /// Lists of long chunks that have items.
  int32_t busy_lists() const {
    const auto begin = List<int32_t>(0, kWorkers + 1);
    int32_t busy = 0;
    for (size_t w = 0; w < kWorkers; ++w) busy += begin[w + 1] > begin[w] ? 1 : 0;
    return busy;
  }
  bool KeepsToItsBytes() const {
    return std::all_of(bytes_.end() - kGuard, bytes_.end(),
                       [](std::byte b) { return b == kUntouched; });
  }
  const Division& division() const { return division_; }

 private:
  static constexpr std::ptrdiff_t kGuard = 64;
  static constexpr std::byte kUntouched{0xaa};

  template <class T>
  std::vector<T> List(size_t at, int32_t count) const {
    std::vector<T> list(static_cast<size_t>(count));
    EXPECT_LE(at + list.size() * sizeof(T), bytes_.size() - kGuard);
    if (count > 0) std::memcpy(list.data(), bytes_.data() + at, list.size() * sizeof(T));
    return list;
  }

  void AddLong(std::multimap<Row, By>& results) const {
    const auto head = List<int32_t>(0, kWorkers + 2);
    const auto items =
        List<paged_prefill::Item>(static_cast<size_t>(head[kWorkers + 1]), head[kWorkers]);
    for (const paged_prefill::Item& item : items) {
      const int32_t first = item.row - query_begin_[static_cast<size_t>(item.sequence)];
      for (int32_t t = 0; t < item.tokens; ++t) {
        for (int32_t h = 0; h < group_; ++h) {
          results.insert({{item.sequence, item.kv_head, first + t, h}, By::kPrefill});
        }
      }
    }
  }

  void AddShort(std::multimap<Row, By>& results) const {
    const auto header = List<paged_attention::Header>(kShortAt, 1)[0];
    const auto add = [&](int32_t sequence, int32_t kv_head, int32_t first, int32_t rows) {
      for (int32_t r = first; r < first + rows; ++r) {
        results.insert({{sequence, kv_head, r / group_, r % group_}, By::kAttention});
      }
    };
    const auto at = [](int32_t offset) { return kShortAt + static_cast<size_t>(offset); };
    const auto narrow = List<paged_attention::Item>(at(header.narrow_at), header.narrow_items);
    const auto wide = List<paged_attention::Item>(at(header.wide_at), header.wide_items);
    std::map<int32_t, int32_t> sequence_of;
    for (const auto* items : {&narrow, &wide}) {
      for (const paged_attention::Item& item : *items) {
        if (item.partial < 0) add(item.sequence, item.kv_head, item.first, item.rows);
        sequence_of[item.partial] = item.sequence;
      }
    }
    for (const auto& merge : List<paged_attention::Merge>(at(header.merges_at), header.merges)) {
      add(sequence_of.at(merge.partial), merge.kv_head, merge.first, merge.rows);
    }
    EXPECT_LE(header.wide_items,
              paged_attention::MostWide(batch_, shape_.H, shape_.G, division_.most_short_tokens()));
  }

  ops::PlanShape shape_;
  int32_t group_;
  std::vector<int32_t> query_begin_ = {0};
  std::vector<int32_t> kv_tokens_;
  std::vector<std::byte> bytes_;
  ops::PagedBatch batch_;
  Division division_;
};

/// Each row once, by the kernel that its sequence is for; no other row.
void ExpectDivided(const ops::PlanShape& shape, const std::vector<Sequence>& sequences) {
  const Planned plan(shape, sequences);
  const auto results = plan.Results();
  size_t rows = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const bool is_long = plan.division().has_long && sequences[s].tokens >= kLongTokens;
    for (int32_t g = 0; g < shape.G; ++g) {
      for (int32_t t = 0; t < sequences[s].tokens; ++t) {
        for (int32_t h = 0; h < shape.H / shape.G; ++h, ++rows) {
          const Row row{static_cast<int32_t>(s), g, t, h};
          ASSERT_EQ(results.count(row), 1U) << "sequence " << s << " head " << g << " token " << t;
          ASSERT_EQ(results.find(row)->second == By::kPrefill, is_long) << "sequence " << s;
        }
      }
    }
  }
  ASSERT_EQ(results.size(), rows);
  ASSERT_TRUE(plan.KeepsToItsBytes());
}

/// Limits of a model's steps, and its sizes.
ops::PlanShape ShapeOf(int32_t G, int32_t group, int32_t D = 128, int32_t P = 16) {
  return {.H = G * group,
          .G = G,
          .D = D,
          .P = P,
          .step_tokens = 600,
          .sequences = 24,
          .context_tokens = 4000};
}

TEST(DividedAttentionPlan, ComputesEveryRowOnceInTheKernelForItsChunk) {
  Random random(1);
  const auto upto = [&](int64_t most) { return static_cast<int32_t>(1 + random.Below(most)); };
  int with_long = 0;
  for (int round = 0; round < 80; ++round) {
    ops::PlanShape shape = ShapeOf(upto(3), upto(9), 64 << random.Below(3), 8);
    shape.multiprocessors = static_cast<int32_t>(random.Below(kWorkers + 10));
    std::vector<Sequence> sequences;
    int32_t left = shape.step_tokens;
    for (int32_t s = upto(shape.sequences); s > 0 && left > 0; --s) {
      const int32_t most[] = {1, 63, 70, 300};
      const int32_t tokens = std::min(left, upto(most[random.Below(4)]));
      left -= tokens;
      sequences.push_back({.tokens = tokens, .kv_tokens = tokens - 1 + upto(3000)});
    }
    ASSERT_NO_FATAL_FAILURE(ExpectDivided(shape, sequences)) << "round " << round;
    with_long += Planned(shape, sequences).division().has_long ? 1 : 0;
  }
  EXPECT_GT(with_long, 20);
  EXPECT_LT(with_long, 80);
}

TEST(DividedAttentionPlan, DealsLongChunksToTheMultiprocessorsThatThereAre) {
  ops::PlanShape shape = ShapeOf(8, 4);
  for (const int32_t multiprocessors : {1, 52, 80}) {
    shape.multiprocessors = multiprocessors;
    EXPECT_EQ(Planned(shape, {{.tokens = 600, .kv_tokens = 4000}}).busy_lists(), multiprocessors);
  }
  // As many items as 19 tiles of 32 tokens for each KV head.
  shape.multiprocessors = 0;
  EXPECT_EQ(Planned(shape, {{.tokens = 600, .kv_tokens = 4000}}).busy_lists(), kWorkers);
  EXPECT_EQ(PlanBytes(shape), PlanBytes(ShapeOf(8, 4)));
}

TEST(DividedAttentionPlan, KeepsItsBoundsWhereAllIsLongAndWhereAllIsShort) {
  const ops::PlanShape shape = ShapeOf(2, 4);
  ExpectDivided(shape, std::vector<Sequence>(9, {.tokens = 64, .kv_tokens = 4000}));
  ExpectDivided(shape, std::vector<Sequence>(9, {.tokens = 63, .kv_tokens = 4000}));
  ExpectDivided(shape, {{.tokens = 600, .kv_tokens = 4000}});
  ExpectDivided(shape, std::vector<Sequence>(24, {.tokens = 1, .kv_tokens = 4000}));
}

TEST(DividedAttentionPlan, LeavesShapesThatPrefillDoesNotTakeToAttention) {
  const std::vector<Sequence> sequences = {{.tokens = 200, .kv_tokens = 300}, {.kv_tokens = 9}};
  for (const ops::PlanShape& shape :
       {ShapeOf(2, 4, 96), ShapeOf(2, 4, 128, 128), ShapeOf(2, 4, 128, 4), ShapeOf(1, 129)}) {
    ASSERT_NO_FATAL_FAILURE(ExpectDivided(shape, sequences));
    EXPECT_FALSE(Planned(shape, sequences).division().has_long);
  }
}

TEST(DividedAttentionPlan, LaunchesPrefillOnlyWhereAChunkCanBeLong) {
  const ops::PlanShape shape = ShapeOf(8, 4);
  // As many decodes as a long chunk has tokens, and beside them a chunk that is just too short.
  EXPECT_FALSE(DivisionOf({.S = 256, .T = 256}, shape).has_long);
  EXPECT_FALSE(DivisionOf({.S = 257, .T = 256 + 63}, shape).has_long);
  EXPECT_TRUE(DivisionOf({.S = 257, .T = 256 + 64}, shape).has_long);
  EXPECT_FALSE(DivisionOf({.S = 0, .T = 0}, shape).has_long);
}

TEST(DividedAttentionPlan, LaunchesNothingElseForALongChunkAlone) {
  const ops::PlanShape shape = ShapeOf(8, 4);
  EXPECT_FALSE(DivisionOf({.S = 1, .T = 64}, shape).has_short);
  EXPECT_TRUE(DivisionOf({.S = 1, .T = 63}, shape).has_short);
  EXPECT_TRUE(DivisionOf({.S = 2, .T = 200}, shape).has_short);
}

TEST(DividedAttentionPlan, TakesALongChunkBesideEmptySequencesInEitherKernelButOne) {
  const ops::PlanShape shape = ShapeOf(2, 4);
  std::vector<Sequence> sequences(20, {.tokens = 0, .kv_tokens = 0});
  for (const int32_t tokens : {64, 82, 83, 200}) {
    sequences[3] = {.tokens = tokens, .kv_tokens = 300};
    ASSERT_NO_FATAL_FAILURE(ExpectDivided(shape, sequences)) << tokens;
  }
}

}  // namespace
}  // namespace baton::kernels::cuda::divided_attention
