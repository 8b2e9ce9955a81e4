#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "sample/plan.h"
#include "sample/weight.cuh"

namespace baton::kernels::cuda {
namespace {

using ops::SampleRow;
__extension__ using Wide = unsigned __int128;

/// A plan as the device reads it.
struct Plan {
  explicit Plan(const std::vector<SampleRow>& rows, int64_t V)
      : bytes(SamplePlanBytes(rows.data(), static_cast<int64_t>(rows.size()), V)),
        planned(PlanSample(rows.data(), static_cast<int64_t>(rows.size()), V, bytes.data())) {}

  PlannedRow row(size_t r) const { return At<PlannedRow>(r * sizeof(PlannedRow)); }
  Adjustment adjustment(size_t r, size_t i) const {
    return At<Adjustment>(row(r).adjustments_begin + i * sizeof(Adjustment));
  }
  template <typename T>
  T At(size_t begin) const {
    T value;
    std::memcpy(&value, bytes.data() + begin, sizeof value);
    return value;
  }

  std::vector<std::byte> bytes;
  ops::SamplePlan planned;
};

TEST(SamplePlan, HasNothingBesideRowsThatAskForNothing) {
  const std::vector<TokenId> tokens = {1, 2, 3};
  const Plan plan({{.temperature = 0, .prompt = tokens.data(), .prompt_tokens = 3},
                   {.output = tokens.data(), .output_tokens = 3}},
                  10);
  EXPECT_EQ(plan.planned.bytes, 2 * sizeof(PlannedRow));
  EXPECT_EQ(
      plan.planned.stages,
      (ops::SampleStages{.adjusts = false, .masks = false, .cuts = false, .logprobs = false}));
}

TEST(SamplePlan, MergesAllThatIsDoneToATokenIntoOneAdjustment) {
  const std::vector<TokenId> prompt = {5, 7, 5};
  const std::vector<TokenId> output = {7, 7, 9};
  const std::vector<TokenId> banned = {7};
  const std::vector<ops::TokenBias> biases = {{7, 2.5f}};
  const Plan plan({{.repetition_penalty = 1.5f,
                    .prompt = prompt.data(),
                    .prompt_tokens = 3,
                    .output = output.data(),
                    .output_tokens = 3,
                    .biases = biases.data(),
                    .biased_tokens = 1,
                    .banned = banned.data(),
                    .banned_tokens = 1}},
                  10);
  ASSERT_EQ(plan.row(0).adjustments, 3u);
  const Adjustment seven = plan.adjustment(0, 0);
  EXPECT_EQ(seven.token, 7);
  EXPECT_EQ(seven.bias, 2.5f);
  EXPECT_EQ(seven.output_count, 2);
  EXPECT_EQ(seven.flags, Adjustment::kBanned | Adjustment::kRepeated);
  const Adjustment five = plan.adjustment(0, 1);
  EXPECT_EQ(five.token, 5);
  EXPECT_EQ(five.output_count, 0);
  EXPECT_EQ(plan.adjustment(0, 2).token, 9);
  EXPECT_TRUE(plan.planned.stages.adjusts);
}

TEST(SamplePlan, LeavesThePromptOutWhereOnlyTheOutputCounts) {
  const std::vector<TokenId> tokens = {1, 2, 3, 4};
  const Plan plan({{.presence_penalty = 1,
                    .prompt = tokens.data(),
                    .prompt_tokens = 3,
                    .output = tokens.data() + 3,
                    .output_tokens = 1}},
                  10);
  ASSERT_EQ(plan.row(0).adjustments, 1u);
  EXPECT_EQ(plan.adjustment(0, 0).token, 4);
}

TEST(SamplePlan, KeepsRowsListsApart) {
  const std::vector<uint32_t> mask = {3, 9};
  const std::vector<TokenId> banned = {4};
  const SampleRow bans{.banned = banned.data(), .banned_tokens = 1};
  const Plan plan({bans, {.mask = mask.data()}, bans}, 40);
  EXPECT_EQ(plan.adjustment(0, 0).token, 4);
  EXPECT_EQ(plan.adjustment(2, 0).token, 4);
  EXPECT_NE(plan.row(0).adjustments_begin, plan.row(2).adjustments_begin);
  EXPECT_EQ(plan.row(0).mask_begin, 0u);
  EXPECT_EQ(plan.At<uint32_t>(plan.row(1).mask_begin + 4), 9u);
  EXPECT_TRUE(plan.planned.stages.masks);
}

TEST(SamplePlan, AdjustsNothingForAGivenToken) {
  const std::vector<TokenId> banned = {4};
  const Plan plan(
      {{.top_k = 3, .banned = banned.data(), .banned_tokens = 1, .given = 4, .logprobs = 0}}, 40);
  EXPECT_EQ(plan.planned.stages,
            (ops::SampleStages{.adjusts = false, .masks = false, .cuts = false}));
}

TEST(SamplePlan, HasTheUniformNumberOfSeedAndPosition) {
  for (int64_t position = 0; position < 50; ++position) {
    const Plan plan({{.seed = 9, .position = position}}, 4);
    const float uniform = static_cast<float>(plan.row(0).uniform) * 0x1.0p-24f;
    EXPECT_EQ(uniform, UniformAt(9, static_cast<uint64_t>(position)));
  }
}

TEST(SampleWeight, IsExactToItsBound) {
  Random random(1);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double octaves = -46 * random.Uniform() * random.Uniform();
    const double exact = std::ldexp(std::exp2(octaves), kWeightBits);
    const double error = std::abs(static_cast<double>(WeightOf(octaves)) - exact);
    worst = std::max(worst, (error - 1) / exact);
  }
  EXPECT_LE(worst, 0x1.0p-22);
  EXPECT_EQ(WeightOf(0), kWeightOne);
  EXPECT_EQ(WeightOf(-1e300), 0u);
}

TEST(SampleWeight, FitsItsBinsPiecesWithoutLoss) {
  Random random(2);
  for (int i = 0; i < 200000; ++i) {
    const double octaves = -45.5 * random.Uniform();
    const uint64_t weight = WeightOf(octaves);
    const int bin = BinOf(octaves);
    ASSERT_LT(weight >> BinShift(bin), uint64_t{1} << 26) << octaves;
    ASSERT_EQ(weight >> BinShift(bin) << BinShift(bin), weight) << octaves;
  }
}

TEST(SampleOrder, IsThatOfLogitsThenOfSmallerTokens) {
  const float logits[] = {-INFINITY, -3e38f, -1.5f, -1e-40f, 0.0f, 1e-40f, 2.0f, 3e38f};
  for (size_t i = 1; i < std::size(logits); ++i) {
    EXPECT_GT(Order(logits[i], 100000), Order(logits[i - 1], 3)) << logits[i];
  }
  EXPECT_GT(Order(1.0f, 3), Order(1.0f, 4));
  EXPECT_EQ(Order(-0.0f, 7), Order(0.0f, 7));
  for (const float none : {NAN, -NAN, INFINITY, -INFINITY}) EXPECT_EQ(Order(none, 1), 0u);
  EXPECT_EQ(TokenOf(Order(-2.5f, 1234)), 1234);
  EXPECT_EQ(LogitOf(Order(-2.5f, 1234)), -2.5f);
}

TEST(SampleTarget, IsTheProductRoundedDownAndBelowTheSum) {
  Random random(3);
  for (int i = 0; i < 100000; ++i) {
    const auto uniform = static_cast<uint32_t>(random.Below(1 << 24));
    const uint64_t sum = 1 + (random.Next() >> (1 + random.Below(62)));
    const auto exact = static_cast<uint64_t>(static_cast<Wide>(sum) * uniform >> 24);
    ASSERT_EQ(TargetOf(uniform, sum), exact);
    ASSERT_LT(exact, sum);
  }
}

}  // namespace
}  // namespace baton::kernels::cuda
