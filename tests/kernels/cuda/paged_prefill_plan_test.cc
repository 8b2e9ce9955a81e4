#include <map>
#include <numeric>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "paged_prefill/plan.h"

namespace baton::kernels::cuda::paged_prefill {
namespace {

struct Sequence {
  int32_t kv_tokens = 0;
  int32_t new_tokens = 0;
};

/// A plan as its worker reads it.
class Planned {
 public:
  Planned(const ops::PlanShape& shape, const std::vector<Sequence>& sequences,
          const PlanOptions& options)
      : options_(options), bytes_(PlanBytes(shape, options) + kGuard, kUntouched) {
    query_begin_.push_back(0);
    for (const Sequence& s : sequences) {
      query_begin_.push_back(query_begin_.back() + s.new_tokens);
      kv_tokens_.push_back(s.kv_tokens);
    }
    WritePlan({.query_begin = query_begin_.data(),
               .kv_tokens = kv_tokens_.data(),
               .S = static_cast<int32_t>(sequences.size()),
               .T = query_begin_.back()},
              shape, options, bytes_.data());
  }

  std::vector<Item> Of(int32_t worker) const {
    const auto* begin = reinterpret_cast<const int32_t*>(bytes_.data());
    const auto* items = reinterpret_cast<const Item*>(bytes_.data() + begin[options_.workers + 1]);
    return {items + begin[worker], items + begin[worker + 1]};
  }
  bool KeepsToItsBytes() const { return LeavesAlone(bytes_.size() - kGuard, bytes_.size()); }
  bool LeavesAlone(size_t from, size_t to) const {
    return std::all_of(bytes_.begin() + static_cast<std::ptrdiff_t>(from),
                       bytes_.begin() + static_cast<std::ptrdiff_t>(to),
                       [](std::byte b) { return b == kUntouched; });
  }
  int32_t query_begin(int32_t s) const { return query_begin_[static_cast<size_t>(s)]; }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr std::byte kUntouched{0xaa};

  PlanOptions options_;
  std::vector<int32_t> query_begin_, kv_tokens_;
  std::vector<std::byte> bytes_;
};

std::vector<Sequence> RandomSequences(Random& random, int32_t count) {
  std::vector<Sequence> sequences;
  for (int32_t s = 0; s < count; ++s) {
    const auto tokens = static_cast<int32_t>(1 + random.Below(400));
    sequences.push_back({tokens + static_cast<int32_t>(random.Below(1000)), tokens});
  }
  return sequences;
}

ops::PlanShape ShapeFor(const std::vector<Sequence>& sequences, int32_t group) {
  int32_t tokens = 0;
  for (const Sequence& s : sequences) tokens += s.new_tokens;
  return {.H = 2 * group,
          .G = 2,
          .D = 128,
          .P = 16,
          .step_tokens = tokens,
          .sequences = static_cast<int32_t>(sequences.size())};
}

int64_t Cost(const Item& item) { return (item.position + item.tokens + 127) / 128 + 1; }

TEST(PagedPrefillPlan, HoldsEveryQueryTokenOfEveryKvHeadOnceAtItsPosition) {
  Random random(1);
  for (int32_t group = 1; group <= 9; ++group) {
    const std::vector<Sequence> sequences = RandomSequences(random, 5);
    const PlanOptions options{.workers = 7};
    const Planned plan(ShapeFor(sequences, group), sequences, options);
    // By (sequence, head, token of the chunk).
    std::map<std::tuple<int32_t, int32_t, int32_t>, int32_t> times;
    for (int32_t w = 0; w < options.workers; ++w) {
      for (const Item& item : plan.Of(w)) {
        const Sequence& s = sequences[static_cast<size_t>(item.sequence)];
        const int32_t first = item.row - plan.query_begin(item.sequence);
        EXPECT_EQ(item.position, s.kv_tokens - s.new_tokens + first);
        EXPECT_LE(item.tokens * group, kTileRows);
        for (int32_t t = 0; t < item.tokens; ++t) {
          ++times[{item.sequence, item.kv_head, first + t}];
        }
      }
    }
    size_t tokens = 0;
    for (const Sequence& s : sequences) tokens += static_cast<size_t>(s.new_tokens);
    EXPECT_EQ(times.size(), 2 * tokens);
    for (const auto& [token, count] : times) EXPECT_EQ(count, 1);
    EXPECT_TRUE(plan.KeepsToItsBytes());
  }
}

TEST(PagedPrefillPlan, GivesEachWorkerItsLongestItemsFirstAndNobodyMuchMoreThanOthers) {
  Random random(2);
  const std::vector<Sequence> sequences = RandomSequences(random, 12);
  const PlanOptions options{.workers = 5};
  const Planned plan(ShapeFor(sequences, 4), sequences, options);
  std::vector<int64_t> loads;
  int64_t longest = 0;
  for (int32_t w = 0; w < options.workers; ++w) {
    int64_t before = INT64_MAX;
    loads.push_back(0);
    for (const Item& item : plan.Of(w)) {
      EXPECT_LE(Cost(item), before);
      before = Cost(item);
      longest = std::max(longest, before);
      loads.back() += before;
    }
  }
  const int64_t sum = std::accumulate(loads.begin(), loads.end(), int64_t{0});
  EXPECT_LE(*std::max_element(loads.begin(), loads.end()), sum / options.workers + longest);
}

TEST(PagedPrefillPlan, LeavesShorterChunksOut) {
  const std::vector<Sequence> sequences = {{500, 63}, {500, 64}, {70, 1}};
  const Planned plan(ShapeFor(sequences, 1), sequences, {.workers = 2, .min_tokens = 64});
  for (int32_t w = 0; w < 2; ++w) {
    ASSERT_EQ(plan.Of(w).size(), 1U);
    EXPECT_EQ(plan.Of(w)[0].sequence, 1);
  }
}

TEST(PagedPrefillPlan, PutsItsItemsWhereItIsTold) {
  const std::vector<Sequence> sequences = {{300, 200}, {70, 70}};
  const PlanOptions apart{.workers = 3, .items_at = 400};
  const Planned near(ShapeFor(sequences, 2), sequences, {.workers = 3});
  const Planned far(ShapeFor(sequences, 2), sequences, apart);
  EXPECT_TRUE(far.KeepsToItsBytes());
  EXPECT_TRUE(far.LeavesAlone(HeadBytes(3), 400));
  for (int32_t w = 0; w < 3; ++w) {
    const std::vector<Item> a = near.Of(w), b = far.Of(w);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].row, b[i].row);
  }
}

TEST(PagedPrefillPlan, OfNoSequenceGivesNobodyWork) {
  const Planned plan({.H = 4, .G = 2, .D = 64, .step_tokens = 8, .sequences = 2}, {},
                     {.workers = 3});
  for (int32_t w = 0; w < 3; ++w) EXPECT_TRUE(plan.Of(w).empty());
}

TEST(PagedPrefillPlan, IsTheSameForTheSameBatch) {
  Random random(3);
  const std::vector<Sequence> sequences = RandomSequences(random, 6);
  const Planned once(ShapeFor(sequences, 2), sequences, {.workers = 4});
  const Planned again(ShapeFor(sequences, 2), sequences, {.workers = 4});
  for (int32_t w = 0; w < 4; ++w) {
    const std::vector<Item> a = once.Of(w), b = again.Of(w);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(std::tie(a[i].sequence, a[i].kv_head, a[i].row),
                std::tie(b[i].sequence, b[i].kv_head, b[i].row));
    }
  }
}

}  // namespace
}  // namespace baton::kernels::cuda::paged_prefill
