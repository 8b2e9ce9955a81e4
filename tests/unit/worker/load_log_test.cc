#include "load_log.h"

#include <gtest/gtest.h>

#include "baton/base/units.h"

namespace baton::worker {
namespace {

TEST(LoadLog, DrawsABarForEveryTenthWithHowFastItCame) {
  ManualClock clock;
  LoadLog log("cuda:0", clock);
  EXPECT_EQ(log.LineAt(kGiB / 2, 10 * kGiB), "");
  clock.Advance(std::chrono::seconds(2));
  EXPECT_EQ(log.LineAt(3 * kGiB, 10 * kGiB),
            "weights on cuda:0: [###.......] 3.0 GiB of 10.0 GiB, 1.5 GiB/s");
  EXPECT_EQ(log.LineAt(3 * kGiB + 1, 10 * kGiB), "");
  clock.Advance(std::chrono::seconds(3));
  EXPECT_EQ(log.LineAt(10 * kGiB, 10 * kGiB),
            "weights on cuda:0: [##########] 10.0 GiB of 10.0 GiB, 2.0 GiB/s");
}

TEST(LoadLog, SaysNothingOfWeightsThatAreThereAtOnce) {
  ManualClock clock;
  LoadLog log("cpu", clock);
  clock.Advance(std::chrono::seconds(1));
  for (int64_t done = 0; done <= kMiB; done += kMiB / 64) EXPECT_EQ(log.LineAt(done, kMiB), "");
}

}  // namespace
}  // namespace baton::worker
