#include "prefill_pick.h"

#include <gtest/gtest.h>

namespace baton::router {
namespace {

WorkerView Prefill(const std::string& name, std::string_view address) {
  return {.name = name, .role = Role::kPrefill, .fingerprint = "m", .address = address};
}
WorkerView Decode(const std::string& name, std::string_view address,
                  std::vector<std::string> joined) {
  return {.name = name,
          .role = Role::kDecode,
          .joined_peers = std::move(joined),
          .fingerprint = "m",
          .address = address};
}

/// Two of each, each at a host of its own, all joined.
std::vector<WorkerView> Pods() {
  return {Prefill("p0", "10.0.0.1:7000"), Prefill("p1", "10.0.0.2:7000"),
          Decode("d0", "10.0.1.1:7000", {"p0", "p1"}), Decode("d1", "10.0.1.2:7000", {"p0", "p1"})};
}

PickOutcome OutcomeOf(std::string_view endpoint) { return FindPicked(endpoint, Pods()).outcome; }

TEST(FindPicked, TakesTheOneWorkerAtTheHostWhateverThePort) {
  const std::vector<WorkerView> pods = Pods();
  ASSERT_NE(FindPicked("10.0.0.2:8000", pods).worker, nullptr);
  EXPECT_EQ(FindPicked("10.0.0.2:8000", pods).worker->name, "p1");
}

TEST(FindPicked, TakesThePortWhereSeveralAreAtAHost) {
  const std::vector<WorkerView> workers = {Prefill("p0", "127.0.0.1:7000"),
                                           Prefill("p1", "127.0.0.1:7001"),
                                           Prefill("p2", "127.0.0.1:7002")};
  ASSERT_NE(FindPicked("127.0.0.1:7001", workers).worker, nullptr);
  EXPECT_EQ(FindPicked("127.0.0.1:7001", workers).worker->name, "p1");
  EXPECT_EQ(FindPicked("127.0.0.1:8000", workers).outcome, PickOutcome::kUnknown);
}

TEST(FindPicked, KnowsIpv6HostsInBrackets) {
  const std::vector<WorkerView> workers = {Prefill("p0", "[fd00::1]:7000")};
  EXPECT_NE(FindPicked("[fd00::1]:8000", workers).worker, nullptr);
  EXPECT_EQ(FindPicked("fd00::1:8000", workers).outcome, PickOutcome::kMalformed);
}

TEST(FindPicked, SaysWhyItFindsNobody) {
  EXPECT_EQ(OutcomeOf("10.9.9.9:8000"), PickOutcome::kUnknown);
  EXPECT_EQ(OutcomeOf("10.0.1.1:8000"), PickOutcome::kOtherRole);
  for (const char* text : {"10.0.0.1", ":8000", "10.0.0.1:", "10.0.0.1:x", "10.0.0.1:0",
                           "10.0.0.1:70000", "http://10.0.0.1:80/", "[]:1", "\xff\xfe"}) {
    EXPECT_EQ(OutcomeOf(text), PickOutcome::kMalformed) << text;
  }
}

class Placed : public testing::Test {
 protected:
  PlacedChoice Place(const PrefillPick& pick = {}) {
    return ChoosePlaced(*policy_, pods_, {}, pick, own_,
                        [this](const WorkerView& worker) { return worker.name != failing_; });
  }
  PlacedChoice PlaceAt(const std::string& endpoint) {
    return Place(PrefillPick{.endpoint = endpoint, .trusted = true});
  }

  std::vector<WorkerView> pods_ = Pods();
  std::string own_ = "d1";
  std::string failing_;
  std::unique_ptr<RoutingPolicy> policy_ = *RoutingPolicy::Make("round_robin");
};

TEST_F(Placed, GoesWhereItCameAndIsPrefilledWhereItWasPicked) {
  for (int i = 0; i < 4; ++i) {
    const PlacedChoice placed = PlaceAt("10.0.0.2:8000");
    ASSERT_TRUE(placed.choice);
    EXPECT_EQ(placed.choice->worker, "d1");
    EXPECT_EQ(placed.choice->prefill, "p1");
    EXPECT_EQ(placed.choice->reason, "picked");
    EXPECT_EQ(placed.pick, PickOutcome::kFollowed);
  }
}

TEST_F(Placed, IsGeneratedByWhomThePolicyChoosesWhereItCameToNoWorker) {
  own_.clear();
  EXPECT_EQ(PlaceAt("10.0.0.2:8000").choice->worker, "d0");
  EXPECT_EQ(PlaceAt("10.0.0.2:8000").choice->worker, "d1");
  EXPECT_EQ(PlaceAt("10.0.0.2:8000").choice->prefill, "p1");
}

TEST_F(Placed, IsPrefilledAsThePolicyChoosesWithoutAPick) {
  EXPECT_EQ(Place().choice->prefill, "p0");
  const PlacedChoice placed = Place();
  EXPECT_EQ(placed.choice->prefill, "p1");
  EXPECT_EQ(placed.choice->worker, "d1");
  EXPECT_FALSE(placed.pick);
}

TEST_F(Placed, FollowsNobodyWhoIsNotTrusted) {
  const PlacedChoice placed = Place(PrefillPick{.endpoint = "10.0.0.2:8000"});
  EXPECT_EQ(placed.pick, PickOutcome::kUntrusted);
  EXPECT_EQ(placed.choice->prefill, "p0");
  EXPECT_EQ(placed.choice->reason, "");
}

TEST_F(Placed, IsNotPrefilledByAnotherModel) {
  pods_[1].fingerprint = "other";
  const PlacedChoice placed = PlaceAt("10.0.0.2:8000");
  EXPECT_EQ(placed.pick, PickOutcome::kNotJoined);
  EXPECT_EQ(placed.choice->prefill, "p0");
}

TEST_F(Placed, IsNotPrefilledByWhoIsNotJoined) {
  pods_[3].joined_peers = {"p0"};
  const PlacedChoice placed = PlaceAt("10.0.0.2:8000");
  EXPECT_EQ(placed.pick, PickOutcome::kNotJoined);
  EXPECT_EQ(placed.choice->worker, "d1");
  EXPECT_EQ(placed.choice->prefill, "p0");
}

TEST_F(Placed, IsNotPrefilledWhereRequestsFail) {
  failing_ = "p1";
  const PlacedChoice placed = PlaceAt("10.0.0.2:8000");
  EXPECT_EQ(placed.pick, PickOutcome::kFailing);
  EXPECT_EQ(placed.choice->prefill, "p0");
}

TEST_F(Placed, GoesElsewhereWhileTheWorkerWhereItCameCannotServe) {
  pods_.pop_back();
  EXPECT_EQ(PlaceAt("10.0.0.2:8000").choice->worker, "d0");
  own_.clear();
  EXPECT_FALSE(Place().choice);
}

}  // namespace
}  // namespace baton::router
