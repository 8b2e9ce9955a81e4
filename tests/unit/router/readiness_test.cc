#include "readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::router {
namespace {

using testing::ElementsAre;

/// "name: problem" of each.
std::vector<std::string> Lines(const std::vector<api::ReadinessCheck>& checks) {
  std::vector<std::string> lines;
  for (const auto& check : checks) lines.push_back(check.name + ": " + check.problem);
  return lines;
}

std::vector<std::string> Deciding(const std::vector<WorkerView>& workers) {
  return Lines(ReadinessOf(workers, OkStatus()).checks);
}

const WorkerView kPrefill{.name = "p0", .role = Role::kPrefill, .fingerprint = "old"};
const WorkerView kDecode{
    .name = "d0", .role = Role::kDecode, .joined_peers = {"p0"}, .fingerprint = "old"};

TEST(Readiness, NeedsAPrefillAndADecodeWorkerThatAreJoined) {
  EXPECT_TRUE(ReadinessOf({kPrefill, kDecode}, OkStatus()).ready);
  EXPECT_THAT(Deciding({kPrefill, kDecode}), ElementsAre("prefill: ", "decode: ", "group: "));
  EXPECT_THAT(Deciding({{.name = "m0"}}), ElementsAre("prefill: ", "decode: ", "group: "));
}

TEST(Readiness, SaysWhichRoleIsMissing) {
  EXPECT_THAT(Deciding({kPrefill}), ElementsAre("prefill: ", "decode: no decode worker is ready",
                                                "group: no decode worker is ready"));
}

TEST(Readiness, TakesWorkersOfTwoModelsForNoGroup) {
  WorkerView newer = kPrefill;
  newer.fingerprint = "new";
  WorkerView decode = kDecode;
  decode.joined_peers.clear();
  decode.join_problems = {{"p0", "model fingerprint: ours is old, p0 has new"}};
  const api::Readiness readiness = ReadinessOf({newer, decode}, OkStatus());
  EXPECT_FALSE(readiness.ready);
  EXPECT_THAT(Lines(readiness.checks),
              ElementsAre("prefill: ", "decode: ",
                          "group: no decode worker is joined with a prefill worker: d0 is not with "
                          "p0: model fingerprint: ours is old, p0 has new"));
}

TEST(Readiness, SaysThatWorkersCannotBeLookedFor) {
  const Status trouble = Unavailable("kubernetes: forbidden");
  EXPECT_EQ(ReadinessOf({}, trouble).reason, "no worker is ready; kubernetes: forbidden");
  EXPECT_EQ(ReadinessOf({kPrefill, kDecode}, trouble).reason, "");
}

TEST(Readiness, SaysWhatKeepsEachWorkerFromTakingRequests) {
  const WorkerState ready{.name = "p0", .role = Role::kPrefill};
  const WorkerState absent{.name = "10.0.0.7:7000", .problem = "refused"};
  const WorkerState silent{.name = "10.0.0.8:7000"};
  WorkerState stuck{.name = "p1", .role = Role::kPrefill, .stuck = true};
  WorkerState draining{.name = "d0", .role = Role::kDecode};
  draining.status.draining = true;
  WorkerState alone{.name = "d1", .role = Role::kDecode};
  alone.status.join_problems = {{"p9", "the path found is tcp"}};
  EXPECT_THAT(
      Lines(ChecksOf({ready, absent, silent, stuck, draining, alone})),
      ElementsAre("worker/p0: ", "worker/10.0.0.7:7000: refused",
                  "worker/10.0.0.8:7000: it has not said who it is",
                  "worker/p1: stalled: it has something to do and gets nothing done",
                  "worker/d0: draining",
                  "worker/d1: joined with no prefill worker: not with p9: the path found is tcp"));
}

}  // namespace
}  // namespace baton::router
