#include "transport_thread.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/gate.h"
#include "baton/transport/loopback.h"

namespace baton::worker {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

class TransportThreadTest : public testing::Test {
 protected:
  TransportThreadTest() : transport_(network_.MakeEndpoint("w0")), thread_(*transport_, clock_) {}

  void Start() {
    thread_.Start([](TimePoint now) { return now + std::chrono::hours(1); });
  }

  Clock& clock_ = Clock::System();
  transport::LoopbackNetwork network_;
  std::unique_ptr<transport::Transport> transport_;
  TransportThread thread_;
};

TEST_F(TransportThreadTest, RunsPostedWorkInOrderThoughItSleeps) {
  Start();
  std::vector<int> order;
  Gate done;
  for (int i = 0; i < 200; ++i) thread_.Post([&order, i] { order.push_back(i); });
  thread_.Post([&done] { done.Open(); });
  ASSERT_TRUE(done.Wait(kPatience));
  ASSERT_EQ(order.size(), 200U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(TransportThreadTest, RunsWhatWasPostedBeforeItStops) {
  Start();
  int runs = 0;
  for (int i = 0; i < 500; ++i) thread_.Post([&runs] { ++runs; });
  thread_.Stop();
  EXPECT_EQ(runs, 500);
}

TEST_F(TransportThreadTest, TakesATurnWhenTheLastOneAskedForIt) {
  Gate third;
  int turns = 0;
  thread_.Start([&](TimePoint now) {
    if (++turns == 3) third.Open();
    return now + std::chrono::milliseconds(1);
  });
  EXPECT_TRUE(third.Wait(kPatience));
  thread_.Stop();
}

}  // namespace
}  // namespace baton::worker
