#include "baton/device/sm_split.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

namespace baton::device {
namespace {

/// An H100's: sixteen groups of eight, and four more.
constexpr int32_t kMultiprocessors = 132;
constexpr int32_t kGroup = 8;

SmSplitProblem Hopper(int32_t first, int32_t second) {
  return {.multiprocessors = kMultiprocessors,
          .group_size = kGroup,
          .groups = kMultiprocessors / kGroup,
          .percent = {first, second}};
}

SmSplit Split(const SmSplitProblem& problem) {
  const Result<SmSplit> split = PlanSmSplit(problem);
  EXPECT_TRUE(split.ok()) << split.status();
  return split.ok() ? *split : SmSplit{};
}

TEST(SmSplit, GivesTheNearestNumberOfGroups) {
  const SmSplit split = Split(Hopper(60, 40));
  EXPECT_EQ(split.groups[0], 10);
  EXPECT_EQ(split.groups[1], 6);
  EXPECT_TRUE(split.second_has_rest);
}

TEST(SmSplit, LeavesOutWhatNobodyAskedFor) {
  const SmSplit split = Split(Hopper(25, 25));
  EXPECT_EQ(split.groups[0], 4);
  EXPECT_EQ(split.groups[1], 4);
  EXPECT_FALSE(split.second_has_rest);
}

TEST(SmSplit, GivesEachAGroupHoweverSmallItsPart) {
  EXPECT_EQ(Split(Hopper(1, 99)).groups[0], 1);
  EXPECT_EQ(Split(Hopper(99, 1)).groups[1], 1);
}

/// Every device of 2 to 20 groups and every rest, by every pair of percentages.
TEST(SmSplit, NeverDealsAGroupTwiceNorFarFromWhatWasAskedFor) {
  for (int32_t groups = 2; groups <= 20; ++groups) {
    for (int32_t rest = 0; rest < kGroup; ++rest) {
      for (int32_t first = 1; first < 100; ++first) {
        for (int32_t second = 1; first + second <= 100; ++second) {
          const SmSplitProblem problem{.multiprocessors = groups * kGroup + rest,
                                       .group_size = kGroup,
                                       .groups = groups,
                                       .percent = {first, second}};
          const SmSplit split = Split(problem);
          ASSERT_GE(std::min(split.groups[0], split.groups[1]), 1);
          ASSERT_LE(split.groups[0] + split.groups[1], groups);
          for (int user = 0; user < 2; ++user) {
            const auto i = static_cast<size_t>(user);
            const int32_t got =
                split.groups[i] * kGroup + (user == 1 && split.second_has_rest ? rest : 0);
            const int32_t asked = problem.percent[i] * problem.multiprocessors / 100;
            // Half a group, or what having one at all, or the other having one, costs.
            ASSERT_LE(std::abs(got - asked), kGroup + rest)
                << first << "% and " << second << "% of " << problem.multiprocessors;
          }
        }
      }
    }
  }
}

TEST(SmSplit, IsRefusedWhereThereIsNothingToDeal) {
  SmSplitProblem small = Hopper(50, 50);
  small.groups = 1;
  EXPECT_EQ(PlanSmSplit(small).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(PlanSmSplit(Hopper(0, 50)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(PlanSmSplit(Hopper(60, 41)).status().code(), StatusCode::kInvalidArgument);
}

TEST(SplitCudaStreams, AreRefusedWhereThereIsNoSuchDevice) {
  const auto streams = OpenSplitCudaStreams(1000, {50, 50});
  EXPECT_EQ(streams.status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace baton::device
