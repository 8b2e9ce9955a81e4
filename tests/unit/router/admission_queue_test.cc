#include "admission_queue.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::router {
namespace {

TimePoint At(int64_t s) { return TimePoint(std::chrono::seconds(s)); }

class AdmissionQueueTest : public testing::Test {
 protected:
  QueueNumber Add(QueuedRequest request) {
    const auto added = queue_.Add(std::move(request));
    EXPECT_TRUE(added.number);
    return added.number.value_or(QueueNumber{});
  }
  void Flood(const std::string& tenant, int count, int64_t tokens = 10) {
    for (int i = 0; i < count; ++i) Add({.tenant = tenant, .due = At(i), .tokens = tokens});
  }
  /// The tenant of whoever goes next, which then goes.
  std::string TakeTenant() {
    const std::string tenant = queue_.Get(*queue_.First()).tenant;
    queue_.Take();
    return tenant;
  }
  std::vector<QueueNumber> TakeAll() {
    std::vector<QueueNumber> order;
    while (const auto first = queue_.First()) {
      order.push_back(*first);
      queue_.Take();
    }
    return order;
  }

  AdmissionQueue queue_{1000};
};

TEST_F(AdmissionQueueTest, GoesByPriorityThenByWhenTheFirstTokenIsDue) {
  const QueueNumber late = Add({.due = At(9)});
  const QueueNumber low = Add({.priority = 1, .due = At(1)});
  const QueueNumber soon = Add({.due = At(3)});
  const QueueNumber high = Add({.priority = -1, .due = At(99)});
  EXPECT_EQ(TakeAll(), (std::vector{high, soon, late, low}));
}

TEST_F(AdmissionQueueTest, GoesByArrivalAmongEquals) {
  const QueueNumber first = Add({.due = At(1)});
  const QueueNumber second = Add({.due = At(1)});
  EXPECT_EQ(TakeAll(), (std::vector{first, second}));
}

TEST_F(AdmissionQueueTest, ServesATenantsFirstRequestNextHoweverManyAnotherHas) {
  Flood("flood", 900);
  for (int i = 0; i < 50; ++i) TakeTenant();
  Add({.tenant = "other", .due = At(5000), .tokens = 10});
  // One of the flood may be level with it and due before it.
  const std::vector<std::string> next{TakeTenant(), TakeTenant()};
  EXPECT_EQ(std::count(next.begin(), next.end(), "other"), 1);
}

TEST_F(AdmissionQueueTest, ServesTenantsAsManyTokensNotAsManyRequests) {
  Flood("large", 100, 40);
  Flood("small", 400, 10);
  std::map<std::string, int> taken;
  for (int i = 0; i < 100; ++i) ++taken[TakeTenant()];
  EXPECT_EQ(taken["large"], 20);
  EXPECT_EQ(taken["small"], 80);
}

TEST_F(AdmissionQueueTest, RemembersWhatATenantWasServedThatComesWithOneAtATime) {
  Flood("flood", 500, 10);
  std::map<std::string, int64_t> served;
  Add({.tenant = "single", .due = At(0), .tokens = 100});
  while (served["flood"] < 1000) {
    const std::string tenant = TakeTenant();
    served[tenant] += tenant == "single" ? 100 : 10;
    if (tenant == "single") Add({.tenant = "single", .due = At(0), .tokens = 100});
  }
  EXPECT_NEAR(static_cast<double>(served["single"]), 1000, 110);
}

TEST_F(AdmissionQueueTest, ChargesATenantForWhatItCostBeyondWhatWasForeseen) {
  Flood("a", 10);
  Flood("b", 10);
  EXPECT_EQ(TakeTenant(), "a");
  queue_.Charge(0, "a", 30);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(TakeTenant(), "b") << i;
  EXPECT_EQ(TakeTenant(), "a");
}

TEST_F(AdmissionQueueTest, GivesNobodyCreditForTheTimeBeforeHeCame) {
  Flood("a", 20);
  for (int i = 0; i < 10; ++i) TakeTenant();
  Flood("b", 10);
  queue_.Charge(0, "b", -1000);
  std::map<std::string, int> taken;
  for (int i = 0; i < 10; ++i) ++taken[TakeTenant()];
  EXPECT_GE(taken["a"], 4);
}

TEST_F(AdmissionQueueTest, PutsWhatIsDemotedBehindAllOfItsPriority) {
  const QueueNumber demoted = Add({.due = At(1)});
  const QueueNumber other = Add({.tenant = "b", .due = At(5)});
  const QueueNumber low = Add({.priority = 1, .due = At(1)});
  queue_.Demote(demoted);
  queue_.Demote(demoted);
  EXPECT_TRUE(queue_.demoted(demoted));
  EXPECT_EQ(TakeAll(), (std::vector{other, demoted, low}));
}

TEST_F(AdmissionQueueTest, RemovesWhoeverGivesUpWithoutChargingHisTenant) {
  const QueueNumber gone = Add({.tenant = "a", .due = At(1), .tokens = 1000});
  Add({.tenant = "b", .due = At(3)});
  Add({.tenant = "a", .due = At(2)});
  queue_.Remove(gone);
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_EQ(queue_.tokens(), 2);
  EXPECT_EQ(TakeTenant(), "a");
  EXPECT_EQ(TakeTenant(), "b");
  EXPECT_FALSE(queue_.First());
}

TEST_F(AdmissionQueueTest, TellsWhoseAlarmHasCome) {
  EXPECT_EQ(queue_.next_alarm(), TimePoint::max());
  const QueueNumber early = Add({.alarm = At(5)});
  const QueueNumber late = Add({.alarm = At(7)});
  EXPECT_EQ(queue_.next_alarm(), At(5));
  EXPECT_FALSE(queue_.Due(At(4)));
  EXPECT_EQ(queue_.Due(At(7)), early);
  queue_.SetAlarm(early, At(9));
  EXPECT_EQ(queue_.Due(At(7)), late);
  queue_.Remove(late);
  EXPECT_FALSE(queue_.Due(At(8)));
}

TEST(FullAdmissionQueue, RefusesOneOfNoMoreRightThanThoseThere) {
  AdmissionQueue queue(2);
  queue.Add({});
  queue.Add({});
  const auto added = queue.Add({});
  EXPECT_FALSE(added.number);
  EXPECT_FALSE(added.displaced);
  EXPECT_FALSE(queue.Add({.priority = 1}).number);
  EXPECT_EQ(queue.size(), 2u);
}

TEST(FullAdmissionQueue, HasTheLastOfLessPriorityMakeRoom) {
  AdmissionQueue queue(2);
  queue.Add({.priority = 1, .due = At(1)});
  const auto last = queue.Add({.priority = 1, .due = At(2)});
  const auto added = queue.Add({});
  EXPECT_TRUE(added.number);
  EXPECT_EQ(added.displaced, last.number);
}

TEST(FullAdmissionQueue, HasTheTenantWithMostThereMakeRoomForOneWithFewer) {
  AdmissionQueue queue(3);
  queue.Add({.tenant = "many", .due = At(1)});
  const auto last = queue.Add({.tenant = "many", .due = At(3)});
  queue.Add({.tenant = "many", .due = At(2)});
  EXPECT_EQ(queue.Add({.tenant = "few"}).displaced, last.number);
  // Two and one: one more would only turn the tables.
  EXPECT_FALSE(queue.Add({.tenant = "few"}).number);
}

TEST(FullAdmissionQueue, LosesTheDemotedBeforeOthersOfTheirPriority) {
  AdmissionQueue queue(2);
  const auto demoted = queue.Add({.due = At(1)});
  queue.Add({.due = At(2)});
  queue.Demote(*demoted.number);
  EXPECT_EQ(queue.Add({.due = At(3)}).displaced, demoted.number);
}

TEST_F(AdmissionQueueTest, EstimatesWhatGoesBefore) {
  Flood("a", 11, 10);  // Due in 0 to 10 s.
  EXPECT_EQ(queue_.TokensAhead(Add({.tenant = "a", .due = At(20), .tokens = 10})), 110);
  EXPECT_EQ(queue_.TokensAhead(Add({.tenant = "a", .due = At(-1), .tokens = 10})), 0);
  // Whoever is new is level with the others and due after their first.
  EXPECT_EQ(queue_.TokensAhead(Add({.tenant = "b", .due = At(30), .tokens = 10})), 0);
  EXPECT_EQ(queue_.TokensAhead(Add({.priority = 1, .tokens = 10})), 140);
}

TEST_F(AdmissionQueueTest, EstimatesAheadOfATenantWithManyWhatOthersGetMeanwhile) {
  Flood("a", 50, 10);
  Flood("b", 5, 10);
  const QueueNumber last = Add({.tenant = "a", .due = At(100), .tokens = 10});
  EXPECT_EQ(queue_.TokensAhead(last), 550);
}

/// What a queue should hold, in the plainest way.
struct Model {
  struct Item {
    QueuedRequest request;
    bool demoted = false;
  };
  std::map<QueueNumber, Item> items;

  std::pair<int32_t, bool> LaneOf(QueueNumber number) const {
    const Item& item = items.at(number);
    return {item.request.priority, item.demoted};
  }
  std::pair<int32_t, bool> FirstLane() const {
    std::pair<int32_t, bool> first{1 << 20, true};
    for (const auto& [number, item] : items) first = std::min(first, LaneOf(number));
    return first;
  }
  /// The first of its tenant in its lane, by due and arrival.
  bool IsFirstOfTenant(QueueNumber number) const {
    const Item& item = items.at(number);
    return std::none_of(items.begin(), items.end(), [&](const auto& other) {
      return LaneOf(other.first) == LaneOf(number) &&
             other.second.request.tenant == item.request.tenant &&
             std::pair(other.second.request.due, other.first) < std::pair(item.request.due, number);
    });
  }
};

class AdmissionQueueProperties : public testing::TestWithParam<uint64_t> {
 protected:
  QueuedRequest Draw(int tenants, int priorities) {
    return {.tenant = std::string(1, static_cast<char>('a' + random_.Below(tenants))),
            .priority = static_cast<int32_t>(random_.Below(priorities)) - 1,
            .due = At(now_ + static_cast<int64_t>(random_.Below(20))),
            .tokens = 1 + static_cast<int64_t>(random_.Below(50)),
            .alarm = At(now_ + static_cast<int64_t>(random_.Below(100)))};
  }

  Random random_{GetParam()};
  int64_t now_ = 0;
};

TEST_P(AdmissionQueueProperties, HoldWhateverHappens) {
  constexpr size_t kCapacity = 40;
  AdmissionQueue queue(kCapacity);
  Model model;
  const auto any = [&] {
    auto it = model.items.begin();
    std::advance(it, random_.Below(model.items.size()));
    return it->first;
  };
  for (int step = 0; step < 2000; ++step) {
    now_ += random_.Below(2);
    const uint64_t what = random_.Below(10);
    if (what < 5) {
      const QueuedRequest request = Draw(4, 3);
      const auto added = queue.Add(request);
      if (added.displaced) {
        EXPECT_GE(model.LaneOf(*added.displaced), (std::pair{request.priority, false}));
        model.items.erase(*added.displaced);
      }
      EXPECT_TRUE(added.number || model.items.size() == kCapacity);
      if (added.number) model.items[*added.number] = {.request = request};
    } else if (model.items.empty()) {
      EXPECT_FALSE(queue.First());
      continue;
    } else if (what < 8) {
      const QueueNumber first = *queue.First();
      EXPECT_EQ(model.LaneOf(first), model.FirstLane());
      EXPECT_TRUE(model.IsFirstOfTenant(first));
      queue.Take();
      model.items.erase(first);
      queue.Charge(0, "a", static_cast<int64_t>(random_.Below(21)) - 10);
    } else if (what < 9) {
      const QueueNumber number = any();
      queue.Remove(number);
      model.items.erase(number);
    } else {
      const QueueNumber number = any();
      queue.Demote(number);
      model.items[number].demoted = true;
    }
    int64_t tokens = 0;
    TimePoint alarm = TimePoint::max();
    for (const auto& [number, item] : model.items) {
      tokens += item.request.tokens;
      alarm = std::min(alarm, item.request.alarm);
    }
    ASSERT_EQ(queue.size(), model.items.size());
    ASSERT_LE(queue.size(), kCapacity);
    ASSERT_EQ(queue.tokens(), tokens);
    ASSERT_EQ(queue.next_alarm(), alarm);
    if (!model.items.empty()) {
      const int64_t ahead = queue.TokensAhead(any());
      ASSERT_GE(ahead, 0);
      ASSERT_LE(ahead, tokens);
    }
  }
}

/// Start-time fair queueing's bound: two tenants that both wait all the time differ by at most one
/// request of each.
TEST_P(AdmissionQueueProperties, ServeTenantsThatWaitAllTheTimeAlike) {
  constexpr int kTenants = 4;
  constexpr int64_t kMostTokens = 50;
  AdmissionQueue queue(1000);
  std::map<std::string, int64_t> served;
  std::map<std::string, int> waiting;
  for (int step = 0; step < 1000; ++step) {
    for (int i = 0; i < kTenants; ++i) {
      const std::string tenant(1, static_cast<char>('a' + i));
      // At least two each, some of them many more.
      while (waiting[tenant] < 2 + 30 * i) {
        QueuedRequest request = Draw(1, 1);
        request.priority = 0;
        request.tenant = tenant;
        ASSERT_TRUE(queue.Add(request).number);
        ++waiting[tenant];
      }
    }
    const QueuedRequest first = queue.Get(*queue.First());
    queue.Take();
    served[first.tenant] += first.tokens;
    --waiting[first.tenant];
    const auto [least, most] = std::minmax_element(
        served.begin(), served.end(), [](auto& a, auto& b) { return a.second < b.second; });
    if (served.size() == kTenants) {
      ASSERT_LE(most->second - least->second, 2 * kMostTokens);
    }
  }
}

/// However the others come and what they cost, one of a tenant goes after at most one of each other
/// tenant, and after those of its own that are due before it.
TEST_P(AdmissionQueueProperties, DelayATenantsFirstByAtMostOneOfEachOther) {
  AdmissionQueue queue(1000);
  for (int i = 0; i < 300; ++i) {
    QueuedRequest request = Draw(5, 1);
    request.priority = 0;
    ASSERT_TRUE(queue.Add(request).number);
    if (random_.Below(3) == 0) queue.Take();
  }
  const QueueNumber mine = *queue.Add({.tenant = "mine", .due = At(10000)}).number;
  std::map<std::string, int> before;
  while (*queue.First() != mine) {
    ++before[queue.Get(*queue.First()).tenant];
    queue.Take();
    QueuedRequest more = Draw(5, 1);
    more.priority = 0;
    queue.Add(more);
  }
  for (const auto& [tenant, count] : before) EXPECT_EQ(count, 1) << tenant;
}

/// Nobody who is due at some time waits for ever for those who come later.
TEST_P(AdmissionQueueProperties, ServeEverybodyOfAPriorityInTheEnd) {
  AdmissionQueue queue(1000);
  const QueueNumber patient = *queue.Add({.tenant = "a", .due = At(30)}).number;
  int64_t taken = 0;
  while (*queue.First() != patient) {
    queue.Take();
    ++taken;
    ++now_;
    for (int i = 0; i < 2; ++i) {
      QueuedRequest more = Draw(3, 1);
      more.priority = 0;
      queue.Add(more);
    }
    ASSERT_LT(taken, 1000);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AdmissionQueueProperties, testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace baton::router
