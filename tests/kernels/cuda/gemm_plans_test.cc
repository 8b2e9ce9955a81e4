#include "linear/gemm_plans.h"

#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::kernels::cuda {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

GemmAlgorithm Named(uint64_t name) { return {.opaque = {name}}; }

/// Knows the algorithms that it is told of.
class FakeLibrary final : public GemmLibrary {
 public:
  Result<std::vector<GemmAlgorithm>> Candidates(const GemmProblem& problem, bool whole_sums,
                                                int most) override {
    asked.push_back(problem.M);
    asked_whole_sums = whole_sums;
    std::vector<GemmAlgorithm> list = algorithms ? algorithms(problem.M) : known;
    if (list.size() > static_cast<size_t>(most)) list.resize(static_cast<size_t>(most));
    return list;
  }
  bool Runs(const GemmProblem& problem, const GemmAlgorithm& algorithm) override {
    return !refuses || !refuses(problem.M, algorithm.opaque[0]);
  }
  Status Enqueue(const GemmProblem&, const GemmOperands&, const GemmAlgorithm&, void*) override {
    return Internal("nothing runs here");
  }

  std::vector<GemmAlgorithm> known;
  std::function<std::vector<GemmAlgorithm>(int64_t M)> algorithms;
  std::function<bool(int64_t M, uint64_t name)> refuses;
  std::vector<int64_t> asked;
  bool asked_whole_sums = false;
};

GemmProblem Problem(int64_t M) {
  return {.M = M, .N = 96, .K = 64, .x_stride = 64, .y_stride = 96};
}

Status Holds(const GemmTrial&) { return OkStatus(); }
/// For an algorithm against itself only.
Status HoldsForBase(const GemmTrial& trial) {
  return trial.algorithm == trial.base ? OkStatus() : Unavailable("rows differ");
}

class DeterministicGemmPlans : public testing::Test {
 protected:
  FakeLibrary library_;
  GemmPlans plans_{library_, true};
};

TEST_F(DeterministicGemmPlans, HasOneAlgorithmForAnyNumberOfRowsWhereNoOtherHasItsBits) {
  library_.algorithms = [](int64_t M) { return std::vector{Named(static_cast<uint64_t>(M))}; };
  ASSERT_TRUE(plans_.Fix(Problem(1000), HoldsForBase).ok());
  for (const int64_t M : {1, 3, 8, 100, 512, 1000}) EXPECT_EQ(plans_.For(Problem(M)), Named(1000));
  EXPECT_TRUE(library_.asked_whole_sums);
}

TEST_F(DeterministicGemmPlans, HasAnAlgorithmOfTheSameBitsForEachRangeOfFewRows) {
  library_.algorithms = [](int64_t M) {
    const auto name = static_cast<uint64_t>(M);
    return std::vector{Named(name + 1), Named(name)};
  };
  // Odd ones differ from the base, 1001, where there are few rows.
  const auto proof = [](const GemmTrial& trial) {
    const bool base = trial.algorithm == trial.base;
    return base || trial.algorithm.opaque[0] % 2 == 0 ? OkStatus() : Unavailable("rows differ");
  };
  ASSERT_TRUE(plans_.Fix(Problem(1000), proof).ok());
  EXPECT_EQ(plans_.For(Problem(1)), Named(8));
  EXPECT_EQ(plans_.For(Problem(9)), Named(16));
  EXPECT_EQ(plans_.For(Problem(512)), Named(512));
  EXPECT_EQ(plans_.For(Problem(513)), Named(1001));
}

TEST_F(DeterministicGemmPlans, TriesEachNumberOfRowsInOneRange) {
  library_.known = {Named(1)};
  std::vector<std::pair<int64_t, int64_t>> ranges;
  const auto proof = [&](const GemmTrial& trial) {
    ranges.emplace_back(trial.least_rows, trial.most.M);
    return OkStatus();
  };
  ASSERT_TRUE(plans_.Fix(Problem(40), proof).ok());
  EXPECT_THAT(ranges,
              ElementsAre(std::pair(1, 40), std::pair(1, 8), std::pair(9, 16), std::pair(17, 32)));
}

TEST_F(DeterministicGemmPlans, PassesOverAlgorithmsThatDivideSums) {
  library_.known = {{.opaque = {1}, .split_k = 4}, {.opaque = {2}, .reduces = true}, Named(3)};
  ASSERT_TRUE(plans_.Fix(Problem(512), Holds).ok());
  EXPECT_EQ(plans_.For(Problem(1)), Named(3));
}

TEST_F(DeterministicGemmPlans, PassesOverAlgorithmsThatDoNotRunWithAnyNumberOfRows) {
  library_.known = {Named(1), Named(2)};
  library_.refuses = [](int64_t M, uint64_t name) { return name == 1 && M == 1; };
  ASSERT_TRUE(plans_.Fix(Problem(512), Holds).ok());
  EXPECT_EQ(plans_.For(Problem(512)), Named(2));
}

TEST_F(DeterministicGemmPlans, TakesTheFirstAlgorithmThatPassesTheProof) {
  library_.known = {Named(1), Named(2), Named(3)};
  std::vector<uint64_t> tried;
  const auto proof = [&](const GemmTrial& trial) {
    EXPECT_EQ(trial.base, trial.algorithm);
    tried.push_back(trial.algorithm.opaque[0]);
    return trial.algorithm == Named(2) ? OkStatus() : Unavailable("rows differ");
  };
  ASSERT_TRUE(plans_.Fix(Problem(8), proof).ok());
  EXPECT_EQ(plans_.For(Problem(7)), Named(2));
  EXPECT_THAT(tried, ElementsAre(1, 2));
}

TEST_F(DeterministicGemmPlans, HasNoneWhereNonePassesAndSaysWhy) {
  library_.known = {Named(1)};
  const auto proof = [](const GemmTrial&) { return Unavailable("rows differ"); };
  const Status status = plans_.Fix(Problem(512), proof);
  EXPECT_THAT(status.message(), HasSubstr("96 x 64"));
  EXPECT_THAT(status.message(), HasSubstr("rows differ"));
  EXPECT_EQ(plans_.For(Problem(1)), std::nullopt);
}

TEST_F(DeterministicGemmPlans, HasNoneForAMatrixThatWasNotFixed) {
  library_.known = {Named(1)};
  EXPECT_EQ(plans_.For(Problem(4)), std::nullopt);
  EXPECT_TRUE(library_.asked.empty());
}

TEST_F(DeterministicGemmPlans, KeepsMatricesOfDifferentShapeTypeAndBiasApart) {
  library_.known = {Named(1)};
  ASSERT_TRUE(plans_.Fix(Problem(64), Holds).ok());
  GemmProblem wide = Problem(8);
  wide.N = 97;
  GemmProblem floats = Problem(8);
  floats.y_dtype = DType::kFloat32;
  GemmProblem biased = Problem(8);
  biased.has_bias = true;
  for (const GemmProblem& other : {wide, floats, biased}) {
    EXPECT_EQ(plans_.For(other), std::nullopt);
  }
}

class FastestGemmPlans : public testing::Test {
 protected:
  FakeLibrary library_;
  GemmPlans plans_{library_, false};
};

TEST_F(FastestGemmPlans, AskOncePerRangeOfRows) {
  library_.algorithms = [](int64_t M) { return std::vector{Named(static_cast<uint64_t>(M))}; };
  EXPECT_EQ(plans_.For(Problem(33)), Named(64));
  EXPECT_EQ(plans_.For(Problem(64)), Named(64));
  EXPECT_EQ(plans_.For(Problem(40)), Named(64));
  EXPECT_EQ(plans_.For(Problem(5)), Named(5));
  EXPECT_THAT(library_.asked, ElementsAre(64, 5));
  EXPECT_FALSE(library_.asked_whole_sums);
}

TEST_F(FastestGemmPlans, AskAgainWhereTheRangesAlgorithmDoesNotFit) {
  library_.algorithms = [](int64_t M) { return std::vector{Named(static_cast<uint64_t>(M))}; };
  library_.refuses = [](int64_t M, uint64_t name) { return name == 64 && M == 33; };
  EXPECT_EQ(plans_.For(Problem(33)), Named(33));
  EXPECT_EQ(plans_.For(Problem(34)), Named(64));
}

TEST_F(FastestGemmPlans, NeedNoProof) {
  library_.known = {Named(1)};
  const auto proof = [](const GemmTrial&) -> Status {
    ADD_FAILURE() << "there is nothing to prove";
    return OkStatus();
  };
  EXPECT_TRUE(plans_.Fix(Problem(64), proof).ok());
}

TEST(GemmBucket, IsTheNumberItselfThenPowersOfTwo) {
  for (int64_t M = 1; M <= 8; ++M) EXPECT_EQ(GemmBucket(M), M);
  EXPECT_EQ(GemmBucket(9), 16);
  EXPECT_EQ(GemmBucket(16), 16);
  EXPECT_EQ(GemmBucket(4097), 8192);
}

TEST(GemmProbes, BeginAndEndWithTheRange) {
  EXPECT_THAT(GemmProbes(1, 1), ElementsAre(1));
  EXPECT_THAT(GemmProbes(1, 9), ElementsAre(1, 2, 3, 8, 9));
  EXPECT_THAT(GemmProbes(17, 32), ElementsAre(17, 32));
  const std::vector<int64_t> probes = GemmProbes(1, 8192);
  EXPECT_EQ(probes.back(), 8192);
  EXPECT_EQ(std::set(probes.begin(), probes.end()).size(), probes.size());
}

}  // namespace
}  // namespace baton::kernels::cuda
