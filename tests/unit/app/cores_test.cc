#include "baton/app/cores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::app {
namespace {

using testing::ElementsAre;

TEST(Cores, AreAtLeastOne) { EXPECT_GE(AvailableCores(), 1); }

TEST(ThreadsPerWorker, DividesTheCores) {
  EXPECT_EQ(ThreadsPerWorker(8, 3), 2);
  EXPECT_EQ(ThreadsPerWorker(8, 1), 8);
  EXPECT_EQ(ThreadsPerWorker(2, 5), 1);
}

TEST(CoresOfWorker, CoverAllCoresWithoutOverlap) {
  const std::vector<int32_t> cores{0, 1, 2, 3, 8};
  EXPECT_THAT(CoresOfWorker(cores, 0, 3), ElementsAre(0));
  EXPECT_THAT(CoresOfWorker(cores, 1, 3), ElementsAre(1, 2));
  EXPECT_THAT(CoresOfWorker(cores, 2, 3), ElementsAre(3, 8));
}

TEST(FormatCores, IsWhatTheCommandLineTakes) {
  EXPECT_EQ(FormatCores({0, 1, 8}), "0,1,8");
  EXPECT_EQ(FormatCores({}), "");
}

}  // namespace
}  // namespace baton::app
