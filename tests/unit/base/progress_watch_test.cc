#include "baton/base/progress_watch.h"

#include <vector>

#include <gtest/gtest.h>

namespace baton {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ProgressWatchTest : public testing::Test {
 protected:
  std::optional<std::string> Look(uint64_t turns, bool busy) {
    now_ += milliseconds(100);
    return watch_.Look(std::vector<LoopProgress>{{.name = "engine", .turns = turns, .busy = busy}},
                       now_);
  }
  /// After how long it is said that a busy thread without turns is stuck.
  Duration UntilStuck() {
    const TimePoint begin = now_;
    while (!Look(7, true) && now_ - begin < seconds(60)) {
    }
    return now_ - begin;
  }

  TimePoint now_{seconds(10)};
  ProgressWatch watch_{seconds(3)};
};

TEST_F(ProgressWatchTest, NamesABusyThreadThatTakesNoTurns) {
  Look(7, true);
  EXPECT_EQ(UntilStuck(), seconds(3));
  EXPECT_EQ(Look(7, true), "engine");
}

TEST_F(ProgressWatchTest, LetsAnIdleThreadBe) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Look(7, false));
}

TEST_F(ProgressWatchTest, CountsFromTheLastTurn) {
  Look(5, true);
  for (int i = 0; i < 25; ++i) EXPECT_FALSE(Look(5, true));
  EXPECT_FALSE(Look(7, true));
  EXPECT_EQ(UntilStuck(), seconds(3));
}

TEST_F(ProgressWatchTest, TakesItBackWithTheNextTurn) {
  UntilStuck();
  EXPECT_FALSE(Look(8, true));
}

TEST_F(ProgressWatchTest, CountsOnlyTimeInWhichItLooked) {
  Look(7, true);
  now_ += seconds(100);  // As when this process was stopped.
  EXPECT_FALSE(Look(7, true));
}

}  // namespace
}  // namespace baton
