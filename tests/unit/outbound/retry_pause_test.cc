#include "baton/outbound/retry_pause.h"

#include <gtest/gtest.h>

namespace baton::outbound {
namespace {

using std::chrono::seconds;

TEST(RetryPause, DoublesUpToTheLongest) {
  EXPECT_EQ(RetryPause(1, seconds(1), 0), seconds(1));
  EXPECT_EQ(RetryPause(3, seconds(1), 0), seconds(4));
  EXPECT_EQ(RetryPause(100, seconds(1), 0), kLongestPause);
  EXPECT_EQ(RetryPause(2, seconds(90), 0), seconds(90));
}

TEST(RetryPause, IsShorterByChanceByUpToHalf) {
  EXPECT_EQ(RetryPause(1, seconds(2), 0.5), std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace baton::outbound
