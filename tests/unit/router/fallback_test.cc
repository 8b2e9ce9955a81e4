#include "fallback.h"

#include <map>

#include <gtest/gtest.h>

namespace baton::router {
namespace {

WorkerView Prefill(const std::string& name) { return {.name = name, .role = Role::kPrefill}; }
WorkerView Decode(const std::string& name) {
  return {.name = name, .role = Role::kDecode, .joined_peers = {"p0", "p1"}};
}

/// "worker/prefill", or why there is none.
std::string Chosen(const std::vector<WorkerView>& workers,
                   const std::map<std::string, Trust>& trust = {}, Trust least = Trust::kFailed) {
  const auto policy = *RoutingPolicy::Make("least_loaded");
  const auto choice = ChooseOrFallBack(
      *policy, workers, {},
      [&](const WorkerView& worker) {
        const auto found = trust.find(worker.name);
        return found == trust.end() ? Trust::kFull : found->second;
      },
      least);
  if (!choice.ok()) return choice.status().message();
  return choice->worker + "/" + choice->prefill + (choice->fallback ? " alone" : "");
}

const std::vector<WorkerView> kFleet = {Prefill("p0"), Prefill("p1"), Decode("d0"), Decode("d1")};

TEST(FallBack, TakesAnotherOfTheSameKind) {
  EXPECT_EQ(Chosen(kFleet, {{"p0", Trust::kFailed}, {"d1", Trust::kBroken}}), "d0/p1");
}

TEST(FallBack, PrefillsOnTheDecodeWorkerWhereNobodyElseCan) {
  EXPECT_EQ(
      Chosen(kFleet, {{"p0", Trust::kFailed}, {"p1", Trust::kBroken}, {"d1", Trust::kFailed}}),
      "d0/ alone");
  EXPECT_EQ(Chosen({Decode("d0")}), "d0/ alone");
}

TEST(FallBack, GeneratesOnAPrefillWorkerWhereNobodyElseCan) {
  EXPECT_EQ(Chosen({Prefill("p0")}), "p0/ alone");
}

TEST(FallBack, TrustsABrokenOneRatherThanOneThatFailedThisRequest) {
  EXPECT_EQ(Chosen({Prefill("p0"), Decode("d0")}, {{"p0", Trust::kFailed}, {"d0", Trust::kBroken}}),
            "d0/ alone");
}

TEST(FallBack, GoesBackToTheOnlyOneThatIsThere) {
  EXPECT_EQ(Chosen({Prefill("p0"), Decode("d0")}, {{"p0", Trust::kFailed}, {"d0", Trust::kFailed}}),
            "d0/p0");
}

TEST(FallBack, LeavesWhoIsFullAlone) {
  const std::map<std::string, Trust> full = {{"p0", Trust::kFailed}, {"d0", Trust::kFailed}};
  EXPECT_EQ(Chosen({Prefill("p0"), Decode("d0")}, full, Trust::kBroken),
            "every worker has been tried");
}

TEST(FallBack, SaysWhatIsMissing) { EXPECT_EQ(Chosen({}), "no worker is ready"); }

}  // namespace
}  // namespace baton::router
