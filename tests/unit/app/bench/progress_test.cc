#include "bench/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::app {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const loadgen::LoadProgress kHalf{.elapsed = seconds(10),
                                  .ended = 50,
                                  .failed = 1,
                                  .running = 7,
                                  .pieces = 1230,
                                  .requests = 100};

TEST(ProgressLine, ShowsABarAndWhatRuns) {
  EXPECT_EQ(ProgressLine(kHalf, 120),
            "▕████████████            ▏ 50/100 done, 7 running, 1 failed, 123 pieces/s, 10 s");
}

TEST(ProgressLine, LeavesOutTheBarWhereThereIsNoRoom) {
  EXPECT_THAT(ProgressLine(kHalf, 60), StartsWith("50/100 done"));
}

TEST(ProgressLine, GoesByTimeWhereADurationBoundsTheLoad) {
  loadgen::LoadProgress progress = kHalf;
  progress.requests = 0;
  progress.duration = seconds(40);
  EXPECT_THAT(ProgressLine(progress, 120), StartsWith("▕██████                  ▏ 50 done"));
}

TEST(ProgressLine, IsFullWhenAllIsDone) {
  loadgen::LoadProgress progress = kHalf;
  progress.ended = 100;
  EXPECT_THAT(ProgressLine(progress, 120), Not(HasSubstr("█ ")));
}

}  // namespace
}  // namespace baton::app
