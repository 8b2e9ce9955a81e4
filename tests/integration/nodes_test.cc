#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/baton_processes.h"
#include "support/free_port.h"
#include "support/load.h"
#include "support/same_outcomes.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// Workers over several nodes, with real processes, as `baton serve` starts them on one host.
namespace baton::test {
namespace {

using testing::HasSubstr;

ServedOptions Mixed(int nodes) {
  return {.prefill = 0,
          .decode = 0,
          .mixed = 1,
          .arguments = {"--set", "workers.mixed.tensor_parallel=2", "--set",
                        "workers.mixed.nodes=" + std::to_string(nodes)}};
}

struct Shape {
  int ranks;
  int nodes;
};

ServedOptions Split(const Shape& prefill, const Shape& decode) {
  ServedOptions options;
  for (const auto& [role, shape] : {std::pair{"prefill", prefill}, {"decode", decode}}) {
    const std::string key = "workers." + std::string(role);
    options.arguments.insert(options.arguments.end(),
                             {"--set", key + ".tensor_parallel=" + std::to_string(shape.ranks),
                              "--set", key + ".nodes=" + std::to_string(shape.nodes)});
  }
  return options;
}

const std::vector<CompletionBody>& Bodies() {
  static const std::vector<CompletionBody> bodies = RandomCompletions(21, 24, 150);
  return bodies;
}

/// What two ranks of one process answer.
const std::vector<Outcome>& OfOneProcess() {
  static const std::vector<Outcome> outcomes = [] {
    ServedBaton server(Mixed(1));
    return server.WaitReady() ? CompleteAll(server.port(), Bodies(), 4) : std::vector<Outcome>{};
  }();
  return outcomes;
}

TEST(Nodes, GiveTheTokensOfOneProcess) {
  ServedBaton server(Mixed(2));
  ASSERT_TRUE(server.WaitReady());
  ExpectSame(CompleteAll(server.port(), Bodies(), 4), OfOneProcess());
  EXPECT_GT(server.WorkerPid("m0.1"), 0);
  EXPECT_EQ(server.Metric("baton_tensor_parallel_ranks"), 2);
}

class NodesOfTwoWorkers : public testing::TestWithParam<std::pair<Shape, Shape>> {};

/// For one degree tokens are the same; the hand-off goes between all nodes that share heads.
TEST_P(NodesOfTwoWorkers, GiveTheTokensOfOneProcessAcrossAHandOff) {
  ServedBaton server(Split(GetParam().first, GetParam().second));
  ASSERT_TRUE(server.WaitReady());
  ExpectSame(CompleteAll(server.port(), Bodies(), 4), OfOneProcess());
  EXPECT_GT(server.Metric("baton_handoff_bytes_total"), 0);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

INSTANTIATE_TEST_SUITE_P(Shapes, NodesOfTwoWorkers,
                         testing::Values(std::pair{Shape{2, 1}, Shape{2, 2}},
                                         std::pair{Shape{2, 2}, Shape{2, 1}},
                                         std::pair{Shape{2, 2}, Shape{2, 2}}));

/// Of different degrees, whose sums are rounded otherwise: all that was handed over is of use.
TEST(NodesOfDifferentDegrees, HandOverAndAnswer) {
  ServedBaton server(Split({4, 2}, {2, 2}));
  ASSERT_TRUE(server.WaitReady());
  for (const Outcome& outcome : CompleteAll(server.port(), Bodies(), 4)) {
    EXPECT_EQ(outcome.status, 200) << outcome.error;
    EXPECT_TRUE(outcome.complete);
  }
  EXPECT_GT(server.Metric("baton_handoff_bytes_total"), 0);
  EXPECT_EQ(server.Metric("baton_handoff_failures_total"), 0);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

/// A leader and a follower that nobody supervises.
class TwoNodes : public testing::Test {
 protected:
  TwoNodes() {
    std::ofstream(folder_.path() / "baton.yaml")
        << "model: " << BATON_SOURCE_DIR
        << "/configs/models/baton-tiny\nworkers: {mixed: {count: 1, tensor_parallel: 2, nodes: 2, "
           "kv_memory: 16MiB, threads: 1}}\n";
  }
  void StartLeader() { Start("leader", {"--listen", "127.0.0.1:0", "--nodes-listen", address_}); }
  void StartFollower(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"--listen", "127.0.0.1:0", "--node-rank",
                                   "1",        "--leader",    address_};
    words.insert(words.end(), more.begin(), more.end());
    Start("follower", words);
  }
  void Start(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words{
        "baton",  "worker", "--role",   "mixed",
        "--name", name,     "--config", (folder_.path() / "baton.yaml").string()};
    words.insert(words.end(), more.begin(), more.end());
    processes_.Start(name, words);
  }
  bool Says(const std::string& what) const {
    return ServedBaton::Until([&] { return processes_.log().find(what) != std::string::npos; },
                              std::chrono::seconds(30));
  }

  testing_support::TemporaryFolder folder_;
  const std::string address_ = "127.0.0.1:" + std::to_string(FreePort());
  BatonProcesses processes_;
};

constexpr auto kSoon = std::chrono::seconds(30);
constexpr char kServes[] = "mixed worker listens on";

TEST_F(TwoNodes, ServeOnlyOnceBothAreThere) {
  StartLeader();
  EXPECT_TRUE(Says("waiting for node 1")) << processes_.log();
  EXPECT_EQ(processes_.log().find(kServes), std::string::npos);
  StartFollower();
  EXPECT_TRUE(Says(kServes)) << processes_.log();
}

TEST_F(TwoNodes, RefuseEachOtherByNameWhereTheyDiffer) {
  StartLeader();
  StartFollower({"--set", "engine.step_tokens=256"});
  EXPECT_EQ(processes_.WaitExit("follower", kSoon), 2);
  EXPECT_THAT(processes_.log(),
              HasSubstr("the leader refuses this node: node 1: its engine.step_tokens is 256"));
  StartFollower();
  EXPECT_TRUE(Says(kServes)) << processes_.log();
}

TEST_F(TwoNodes, EndTogetherInGoodOrderWhenTheLeaderIsTold) {
  StartLeader();
  StartFollower();
  ASSERT_TRUE(Says(kServes)) << processes_.log();
  processes_.Signal("leader", SIGTERM);
  EXPECT_EQ(processes_.WaitExit("leader", kSoon), 0) << processes_.log();
  EXPECT_EQ(processes_.WaitExit("follower", kSoon), 0) << processes_.log();
}

TEST_F(TwoNodes, EndTogetherInGoodOrderWhenTheFollowerIsTold) {
  StartLeader();
  StartFollower();
  ASSERT_TRUE(Says(kServes)) << processes_.log();
  processes_.Signal("follower", SIGTERM);
  EXPECT_EQ(processes_.WaitExit("leader", kSoon), 0) << processes_.log();
  EXPECT_EQ(processes_.WaitExit("follower", kSoon), 0) << processes_.log();
}

TEST_F(TwoNodes, EndByNameWhenTheFollowerIsKilled) {
  StartLeader();
  StartFollower();
  ASSERT_TRUE(Says(kServes)) << processes_.log();
  processes_.Signal("follower", SIGKILL);
  EXPECT_EQ(processes_.WaitExit("leader", kSoon), 1) << processes_.log();
  EXPECT_THAT(processes_.log(), HasSubstr("this worker ends with one of its nodes: node 1"));
}

TEST_F(TwoNodes, EndByNameWhenTheLeaderIsKilled) {
  StartLeader();
  StartFollower();
  ASSERT_TRUE(Says(kServes)) << processes_.log();
  processes_.Signal("leader", SIGKILL);
  EXPECT_EQ(processes_.WaitExit("follower", kSoon), 1) << processes_.log();
  EXPECT_THAT(processes_.log(), HasSubstr("node 0, the leader"));
}

TEST_F(TwoNodes, EndWhenTheFollowerIsFrozen) {
  StartLeader();
  StartFollower();
  ASSERT_TRUE(Says(kServes)) << processes_.log();
  processes_.Signal("follower", SIGSTOP);
  EXPECT_EQ(processes_.WaitExit("leader", kSoon), 1) << processes_.log();
  EXPECT_THAT(processes_.log(), HasSubstr("said nothing for 5"));
}

}  // namespace
}  // namespace baton::test
