#include "baton/base/gate.h"

#include <thread>

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Gate, KeepsAWaiterUntilItsTimeoutWhileClosed) {
  Gate gate;
  EXPECT_FALSE(gate.Wait(Duration(0)));
}

TEST(Gate, LetsEveryWaiterThroughOnceOpen) {
  Gate gate;
  std::thread opener([&] { gate.Open(); });
  EXPECT_TRUE(gate.Wait(std::chrono::seconds(60)));
  EXPECT_TRUE(gate.Wait(Duration(0)));
  opener.join();
}

}  // namespace
}  // namespace baton
