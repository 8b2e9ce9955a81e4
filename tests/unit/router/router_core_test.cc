#include "router_core.h"

#include <gtest/gtest.h>

namespace baton::router {
namespace {

using std::chrono::seconds;

TEST(RouterCore, IsAliveAsLongAsItTakesTurns) {
  ManualClock clock;
  telemetry::MetricRegistry registry;
  RouterCore core({.progress_timeout = seconds(5)}, *RoutingPolicy::Make("cost", ""), {}, registry,
                  clock);
  core.Turn(Duration::zero());
  EXPECT_TRUE(core.Alive());

  clock.Advance(seconds(6));
  EXPECT_FALSE(core.Alive());

  core.Turn(Duration::zero());
  EXPECT_TRUE(core.Alive());
  core.Close();
}

}  // namespace
}  // namespace baton::router
