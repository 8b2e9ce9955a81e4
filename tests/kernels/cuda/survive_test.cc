#include "bench/kernels/cuda/survive.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Goes through [0, count), where those of `crashing` abort: what was done, and what crashed.
struct Survivors {
  Survivors(size_t count, const std::vector<size_t>& crashing, int gives) : done(count) {
    std::byte* shared = SharedBytes(count);
    status = Survive(
        count,
        [&](size_t from, size_t& under_way) {
          for (under_way = from; under_way < count; ++under_way) {
            if (std::ranges::count(crashing, under_way) > 0) std::abort();
            shared[under_way] = std::byte{1};
          }
          return gives;
        },
        [&](size_t which, const std::string& how) {
          crashed.push_back(which);
          last = how;
        });
    for (size_t i = 0; i < count; ++i) done[i] = shared[i] == std::byte{1};
  }

  int status = 0;
  std::vector<bool> done;
  std::vector<size_t> crashed;
  std::string last;
};

TEST(Survive, DoesAllInOneProcessWhereNothingCrashes) {
  const Survivors run(3, {}, 7);
  EXPECT_EQ(run.status, 7);
  EXPECT_THAT(run.done, ElementsAre(true, true, true));
  EXPECT_THAT(run.crashed, ElementsAre());
}

TEST(Survive, GoesOnBehindWhatCrashes) {
  const Survivors run(5, {1, 3}, 0);
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.done, ElementsAre(true, false, true, false, true));
  EXPECT_THAT(run.crashed, ElementsAre(1, 3));
  EXPECT_THAT(run.last, HasSubstr("crashed: Aborted"));
}

TEST(Survive, OutlivesACrashOfTheLast) {
  const Survivors run(2, {1}, 0);
  EXPECT_THAT(run.done, ElementsAre(true, false));
  EXPECT_THAT(run.crashed, ElementsAre(1));
}

TEST(Survive, GivesUpWhereEverythingCrashes) {
  std::vector<size_t> all(20);
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Survivors run(20, all, 0);
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.crashed.size(), 8U);
}

}  // namespace
}  // namespace baton::bench
