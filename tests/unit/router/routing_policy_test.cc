#include "routing_policy.h"

#include <map>

#include <gtest/gtest.h>

namespace baton::router {
namespace {

WorkerView Prefill(const std::string& name, int load = 0) {
  return {.name = name, .role = Role::kPrefill, .load = load};
}
WorkerView Decode(const std::string& name, std::vector<std::string> joined, int load = 0) {
  return {.name = name, .role = Role::kDecode, .load = load, .joined_peers = std::move(joined)};
}
WorkerView Mixed(const std::string& name, int load = 0) { return {.name = name, .load = load}; }

std::unique_ptr<RoutingPolicy> Policy(const std::string& name) {
  return *RoutingPolicy::Make(name);
}

class EveryPolicy : public testing::TestWithParam<std::string> {};

TEST_P(EveryPolicy, SayWhatIsMissingForACompleteGroup) {
  const auto policy = Policy(GetParam());
  EXPECT_EQ(policy->Choose({}).status().message(), "no worker is ready");
  EXPECT_EQ(policy->Choose({Decode("d0", {})}).status().message(), "no prefill worker is ready");
  EXPECT_EQ(policy->Choose({Prefill("p0")}).status().message(), "no decode worker is ready");
  EXPECT_EQ(policy->Choose({Prefill("p0"), Decode("d0", {"p1"})}).status().message(),
            "no decode worker is joined with a prefill worker yet");
}

TEST_P(EveryPolicy, SayWhyADecodeWorkerIsNotJoined) {
  const auto policy = Policy(GetParam());
  WorkerView decode = Decode("d0", {});
  decode.join_problems = {{"p0", "the path found is tcp"}};
  EXPECT_EQ(policy->Choose({Prefill("p0"), decode}).status().message(),
            "no decode worker is joined with a prefill worker: d0 is not with p0: the path found "
            "is tcp");
}

TEST_P(EveryPolicy, PairADecodeWorkerOnlyWithPeersThatItJoined) {
  const auto policy = Policy(GetParam());
  const std::vector<WorkerView> workers = {Prefill("p0"), Prefill("p1"), Decode("d0", {"p1"})};
  for (int i = 0; i < 4; ++i) {
    const auto choice = policy->Choose(workers);
    ASSERT_TRUE(choice.ok());
    EXPECT_EQ(choice->worker, "d0");
    EXPECT_EQ(choice->prefill, "p1");
  }
}

TEST_P(EveryPolicy, PairADecodeWorkerOnlyWithPeersOfItsModel) {
  const auto policy = Policy(GetParam());
  std::vector<WorkerView> workers = {Prefill("p0"), Prefill("p1"), Decode("d0", {"p0", "p1"})};
  workers[0].fingerprint = "new";
  workers[1].fingerprint = workers[2].fingerprint = "old";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(policy->Choose(workers)->prefill, "p1");

  workers[1].fingerprint = "new";
  EXPECT_EQ(RoutingPolicy::Possible(workers).message(),
            "no decode worker is joined with a prefill worker yet");
}

TEST_P(EveryPolicy, LetAMixedWorkerPrefillItself) {
  const auto choice = Policy(GetParam())->Choose({Mixed("m0")});
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->worker, "m0");
  EXPECT_EQ(choice->prefill, "");
}

TEST_P(EveryPolicy, PassOverAWorkerThatIsFullUnlessAllAre) {
  const auto policy = Policy(GetParam());
  std::vector<WorkerView> workers{Mixed("m0"), Mixed("m1", 3)};
  workers[0].full = true;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(policy->Choose(workers)->worker, "m1");
  workers[1].full = true;
  EXPECT_TRUE(policy->Choose(workers).ok());
}

TEST_P(EveryPolicy, SpreadEvenlyOverIdleWorkers) {
  const auto policy = Policy(GetParam());
  std::map<std::string, int> uses;
  for (int i = 0; i < 30; ++i) {
    const auto choice = policy->Choose({Mixed("m0"), Mixed("m1"), Mixed("m2")});
    ASSERT_TRUE(choice.ok());
    ++uses[choice->worker];
  }
  EXPECT_EQ(uses, (std::map<std::string, int>{{"m0", 10}, {"m1", 10}, {"m2", 10}}));
}

TEST_P(EveryPolicy, UseEveryIdleWorkerOfBothPhases) {
  const auto policy = Policy(GetParam());
  const std::vector<std::string> prefills = {"p0", "p1"};
  std::map<std::string, int> uses;
  for (int i = 0; i < 20; ++i) {
    const auto choice = policy->Choose(
        {Prefill("p0"), Prefill("p1"), Decode("d0", prefills), Decode("d1", prefills)});
    ASSERT_TRUE(choice.ok());
    ++uses[choice->worker];
    ++uses[choice->prefill];
  }
  EXPECT_EQ(uses, (std::map<std::string, int>{{"d0", 10}, {"d1", 10}, {"p0", 10}, {"p1", 10}}));
}

TEST_P(EveryPolicy, KeepASessionWithItsWorkers) {
  const auto policy = Policy(GetParam());
  const std::vector<std::string> prefills = {"p0", "p1"};
  const std::vector<WorkerView> workers = {Prefill("p0"), Prefill("p1"), Decode("d0", prefills),
                                           Decode("d1", prefills)};
  const auto first = policy->Choose(workers, {.session = "a session"});
  ASSERT_TRUE(first.ok());
  for (int i = 0; i < 5; ++i) {
    const auto again = policy->Choose(workers, {.session = "a session"});
    EXPECT_EQ(again->worker, first->worker);
    EXPECT_EQ(again->prefill, first->prefill);
  }
}

TEST_P(EveryPolicy, SpreadSessions) {
  const auto policy = Policy(GetParam());
  std::map<std::string, int> uses;
  for (int i = 0; i < 300; ++i) {
    ++uses[policy->Choose({Mixed("m0"), Mixed("m1"), Mixed("m2")}, {.session = std::to_string(i)})
               ->worker];
  }
  for (const auto& [worker, count] : uses) EXPECT_GT(count, 50) << worker;
  EXPECT_EQ(uses.size(), 3u);
}

TEST_P(EveryPolicy, MoveASessionAwayFromAnOverloadedWorker) {
  const auto policy = Policy(GetParam());
  const std::string home = policy->Choose({Mixed("m0"), Mixed("m1")}, {.session = "s"})->worker;
  const std::string other = home == "m0" ? "m1" : "m0";
  EXPECT_EQ(policy->Choose({Mixed(home, 6), Mixed(other, 1)}, {.session = "s"})->worker, home);
  EXPECT_EQ(policy->Choose({Mixed(home, 7), Mixed(other, 1)}, {.session = "s"})->worker, other);
}

/// With nothing known of any worker.
INSTANTIATE_TEST_SUITE_P(Policies, EveryPolicy,
                         testing::Values("round_robin", "least_loaded", "prefix_aware", "cost"));

TEST(LeastLoaded, TakesTheWorkersWithTheFewestRequests) {
  const auto choice = Policy("least_loaded")
                          ->Choose({Prefill("p0", 2), Prefill("p1", 1),
                                    Decode("d0", {"p0", "p1"}, 5), Decode("d1", {"p0", "p1"}, 4)});
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->worker, "d1");
  EXPECT_EQ(choice->prefill, "p1");
}

TEST(RoundRobin, TakesTurnsWhateverTheLoad) {
  const auto policy = Policy("round_robin");
  const std::vector<WorkerView> workers = {Mixed("m0", 9), Mixed("m1")};
  EXPECT_EQ(policy->Choose(workers)->worker, "m0");
  EXPECT_EQ(policy->Choose(workers)->worker, "m1");
  EXPECT_EQ(policy->Choose(workers)->worker, "m0");
}

TEST(PowerOfTwo, NeverTakesTheMostLoadedOfThree) {
  const auto policy = Policy("power_of_two");
  std::map<std::string, int> uses;
  for (int i = 0; i < 200; ++i) {
    ++uses[policy->Choose({Mixed("m0", 1), Mixed("m1", 2), Mixed("m2", 3)})->worker];
  }
  EXPECT_EQ(uses.count("m2"), 0u);
  EXPECT_EQ(uses.size(), 2u);
}

WorkerView Cached(WorkerView view, int32_t tokens) {
  view.cached_tokens = tokens;
  return view;
}

TEST(PrefixAware, TakesWhoHasTheMostOfThePrompt) {
  const auto policy = Policy("prefix_aware");
  EXPECT_EQ(
      policy
          ->Choose({Cached(Mixed("m0", 1), 16), Cached(Mixed("m1", 2), 48), Cached(Mixed("m2"), 0)})
          ->worker,
      "m1");
}

TEST(PrefixAware, LeavesAWorkerThatHasFarMoreToDo) {
  const auto policy = Policy("prefix_aware");
  EXPECT_EQ(policy->Choose({Cached(Mixed("m0"), 16), Cached(Mixed("m1", 5), 48)})->worker, "m0");
}

TEST(RoutingPolicy, TakesAnotherForThoseThatPrefill) {
  const auto policy = *RoutingPolicy::Make("round_robin", "least_loaded");
  for (int i = 0; i < 4; ++i) {
    const auto choice =
        policy->Choose({Prefill("p0", 2), Prefill("p1", 1), Decode("d0", {"p0", "p1"}, 5)});
    EXPECT_EQ(choice->prefill, "p1");
  }
}

TEST(RoutingPolicy, NamesTheKnownOnes) {
  const auto policy = RoutingPolicy::Make("least_loaded", "fastest");
  ASSERT_FALSE(policy.ok());
  EXPECT_EQ(policy.status().message(),
            "unknown routing policy 'fastest'; known are cost, least_loaded, power_of_two, "
            "prefix_aware, round_robin");
}

TEST(RoundRobin, PassesOverAWorkerThatHasEnoughToDo) {
  const auto policy = Policy("round_robin");
  std::vector<WorkerView> workers{Mixed("m0"), Mixed("m1"), Mixed("m2")};
  workers[1].busy = true;
  std::vector<std::string> picks;
  for (int i = 0; i < 4; ++i) picks.push_back(policy->Choose(workers)->worker);
  EXPECT_EQ(picks, (std::vector<std::string>{"m0", "m2", "m0", "m2"}));
}

}  // namespace
}  // namespace baton::router
