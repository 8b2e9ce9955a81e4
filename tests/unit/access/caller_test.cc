#include "baton/access/caller.h"

#include <chrono>

#include <gtest/gtest.h>

namespace baton::access {
namespace {

using std::chrono::seconds;

const TimePoint kStart{seconds(1000)};

TEST(KeyUse, TakesNoMoreAtOnceThanTheLimit) {
  KeyUse use;
  const KeyLimits limits{.requests_at_once = 2};
  EXPECT_FALSE(use.Enter(limits, kStart));
  EXPECT_FALSE(use.Enter(limits, kStart));
  const auto reached = use.Enter(limits, kStart);
  ASSERT_TRUE(reached);
  EXPECT_EQ(reached->limit, "requests_at_once");
  EXPECT_EQ(reached->most, 2);
  use.Leave();
  EXPECT_FALSE(use.Enter(limits, kStart));
}

TEST(KeyUse, TakesAMinutesWorthAtOnceThenOneAtATime) {
  KeyUse use;
  const KeyLimits limits{.requests_per_minute = 6};
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(use.Enter(limits, kStart)) << i;
  const auto reached = use.Enter(limits, kStart + seconds(3));
  ASSERT_TRUE(reached);
  EXPECT_EQ(reached->limit, "requests_per_minute");
  EXPECT_EQ(reached->retry_after_s, 7);
  EXPECT_FALSE(use.Enter(limits, kStart + seconds(10)));
  EXPECT_TRUE(use.Enter(limits, kStart + seconds(10)));
}

TEST(KeyUse, SavesNoMoreThanAMinutesWorth) {
  KeyUse use;
  const KeyLimits limits{.requests_per_minute = 2};
  EXPECT_FALSE(use.Enter(limits, kStart));
  const TimePoint later = kStart + std::chrono::hours(1);
  EXPECT_FALSE(use.Enter(limits, later));
  EXPECT_FALSE(use.Enter(limits, later));
  EXPECT_TRUE(use.Enter(limits, later));
}

TEST(AllowedPriority, IsNoHigherThanTheKeyAllows) {
  const Caller caller{.limits = {.highest_priority = -2}, .use = std::make_shared<KeyUse>()};
  EXPECT_EQ(AllowedPriority(caller, -5), -2);
  EXPECT_EQ(AllowedPriority(caller, -1), -1);
  EXPECT_EQ(AllowedPriority(caller, 7), 7);
}

TEST(AllowedPriority, IsWhatIsAskedForWhereNobodyHasAKey) {
  EXPECT_EQ(AllowedPriority({}, -5), -5);
}

TEST(CacheSalt, PartsTenantsAndWhatTheirClientsChoose) {
  const Caller acme{.tenant = "acme", .salt_secret = "s"};
  const Caller other{.tenant = "other", .salt_secret = "s"};
  EXPECT_EQ(CacheSalt(acme, ""), CacheSalt(acme, ""));
  EXPECT_NE(CacheSalt(acme, ""), CacheSalt(other, ""));
  EXPECT_NE(CacheSalt(acme, "x"), CacheSalt(other, "x"));
  EXPECT_NE(CacheSalt(acme, "x"), CacheSalt(acme, ""));
  EXPECT_NE(CacheSalt(acme, "\n"), CacheSalt({.tenant = "acm", .salt_secret = "s"}, "e\n"));
}

TEST(CacheSalt, CannotBeToldWithoutTheSecret) {
  EXPECT_NE(CacheSalt({.tenant = "acme", .salt_secret = "s"}, ""),
            CacheSalt({.tenant = "acme", .salt_secret = "t"}, ""));
}

TEST(CacheSalt, IsNoneWhereNobodyIsAskedWhoHeIs) {
  EXPECT_EQ(CacheSalt({}, ""), 0u);
  EXPECT_NE(CacheSalt({}, "mine"), 0u);
}

}  // namespace
}  // namespace baton::access
