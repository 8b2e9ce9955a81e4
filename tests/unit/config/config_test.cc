#include "baton/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ParseCores, ReadsRangesAndNumbers) {
  const Result<std::vector<int32_t>> cores = ParseCores("0-2,5,7-7");
  ASSERT_TRUE(cores.ok()) << cores.status();
  EXPECT_THAT(*cores, ElementsAre(0, 1, 2, 5, 7));
}

TEST(ParseCores, TakesNothingAsNoCores) {
  const Result<std::vector<int32_t>> cores = ParseCores("");
  ASSERT_TRUE(cores.ok()) << cores.status();
  EXPECT_THAT(*cores, IsEmpty());
}

TEST(ParseCores, RefusesWhatIsNotAscendingNumbers) {
  for (const char* text :
       {",", "0,", ",0", "a", "1-", "-1", "3-1", "1,1", "2,0-1", "0 -1", "99999999999", "0-5000"}) {
    EXPECT_FALSE(ParseCores(text).ok()) << text;
  }
}

TEST(ParseWorkerAddress, SplitsNameHostAndPort) {
  const Result<WorkerAddress> worker = ParseWorkerAddress("d0=[::1]:7000");
  ASSERT_TRUE(worker.ok()) << worker.status();
  EXPECT_EQ(worker->name, "d0");
  EXPECT_EQ(worker->host, "[::1]");
  EXPECT_EQ(worker->port, 7000);
}

TEST(ParseWorkerAddress, RefusesIncompleteAddresses) {
  for (const char* text : {"", "p0", "p0=", "=h:1", "p0=:1", "p0=h", "p0=h:", "p0=h:0", "p0=h:x",
                           "p0=h:65536", "h:1"}) {
    EXPECT_FALSE(ParseWorkerAddress(text).ok()) << text;
  }
}

}  // namespace
}  // namespace baton::config
