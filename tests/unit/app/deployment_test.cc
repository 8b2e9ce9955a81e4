#include "baton/app/deployment.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

config::Config Split(int32_t prefill, int32_t decode) {
  config::Config config;
  config.workers.prefill.count = prefill;
  config.workers.decode.count = decode;
  return config;
}

Deployment Plan(const config::Config& config, int32_t cores) {
  Result<Deployment> deployment = PlanDeployment(config, cores);
  EXPECT_TRUE(deployment.ok()) << deployment.status();
  return deployment.ok() ? *std::move(deployment) : Deployment{};
}

std::vector<std::string> Names(const Deployment& deployment) {
  std::vector<std::string> names;
  for (const PlannedWorker& worker : deployment.workers) names.push_back(worker.name);
  return names;
}

TEST(Deployment, NamesWorkersByRole) {
  EXPECT_THAT(Names(Plan(Split(2, 1), 1)), ElementsAre("p0", "p1", "d0"));
}

TEST(Deployment, DividesTheCoresWhereNoThreadsAreSet) {
  config::Config config = Split(1, 3);
  config.workers.prefill.threads = 5;
  const Deployment deployment = Plan(config, 8);
  EXPECT_EQ(deployment.workers[0].threads, 5);
  EXPECT_EQ(deployment.workers[1].threads, 2);
}

TEST(Deployment, GivesEachRankAThread) {
  config::Config config = Split(1, 1);
  config.workers.decode.tensor_parallel = 4;
  const Deployment deployment = Plan(config, 2);
  EXPECT_EQ(deployment.workers[0].threads, 1);
  EXPECT_EQ(deployment.workers[1].threads, 4);
  EXPECT_EQ(deployment.workers[1].ranks, 4);
}

TEST(Deployment, GivesAWorkersOtherNodesProcessesPortsAndDevices) {
  config::Config config = Split(1, 2);
  config.workers.decode.tensor_parallel = 4;
  config.workers.decode.nodes = 2;
  config.workers.decode.device = "cuda:1";
  config.workers.decode.cores = "0-3";
  const Deployment deployment = Plan(config, 12);
  EXPECT_EQ(deployment.workers[0].nodes_listen, "");
  const PlannedWorker& second = deployment.workers[2];
  EXPECT_EQ(second.device, "cuda:5");
  EXPECT_THAT(second.cores, ElementsAre(2));
  ASSERT_EQ(second.followers.size(), 1u);
  EXPECT_EQ(second.followers[0].name, "d1.1");
  EXPECT_EQ(second.followers[0].device, "cuda:7");
  EXPECT_THAT(second.followers[0].cores, ElementsAre(3));
  EXPECT_EQ(deployment.ports.size(), 7u);
}

TEST(ProcessesOf, TellTheNodesOfAWorkerWhereTheyMeet) {
  config::Config config;
  config.workers.mixed = {.count = 1, .threads = 1, .tensor_parallel = 2, .nodes = 2, .port = 7000};
  const Deployment deployment = Plan(config, 4);
  const std::string meet = deployment.workers[0].nodes_listen;
  const auto processes = ProcessesOf(deployment, {});
  ASSERT_EQ(processes.size(), 3u);
  EXPECT_THAT(processes[0].arguments,
              ElementsAre("baton", "router", "--worker", "m0=127.0.0.1:7000"));
  EXPECT_THAT(processes[1].arguments,
              ElementsAre("baton", "worker", "--role", "mixed", "--name", "m0", "--listen",
                          "127.0.0.1:7000", "--threads", "1", "--nodes-listen", meet));
  EXPECT_THAT(processes[2].arguments,
              ElementsAre("baton", "worker", "--role", "mixed", "--name", "m0.1", "--listen",
                          deployment.workers[0].followers[0].listen, "--threads", "1",
                          "--node-rank", "1", "--leader", meet));
}

TEST(Deployment, GivesEachPinnedWorkerItsPart) {
  config::Config config = Split(1, 2);
  config.workers.decode.cores = "2-5";
  const Deployment deployment = Plan(config, 8);
  EXPECT_THAT(deployment.workers[0].cores, ElementsAre());
  EXPECT_THAT(deployment.workers[1].cores, ElementsAre(2, 3));
  EXPECT_THAT(deployment.workers[2].cores, ElementsAre(4, 5));
  EXPECT_EQ(deployment.workers[2].threads, 2);
}

TEST(Deployment, KeepsAnEphemeralPortForEachWorker) {
  const Deployment deployment = Plan(Split(2, 2), 1);
  std::set<std::string> addresses;
  for (const PlannedWorker& worker : deployment.workers) addresses.insert(worker.address);
  EXPECT_EQ(addresses.size(), 4u);
  EXPECT_EQ(deployment.ports.size(), 4u);
}

TEST(Deployment, CountsConfiguredPortsUp) {
  config::Config config = Split(2, 1);
  config.workers.prefill.port = 7000;
  const Deployment deployment = Plan(config, 1);
  EXPECT_EQ(deployment.workers[0].listen, "127.0.0.1:7000");
  EXPECT_EQ(deployment.workers[1].listen, "127.0.0.1:7001");
}

TEST(Deployment, CountsGpusUp) {
  config::Config config = Split(2, 1);
  config.workers.prefill.device = "cuda:4";
  const Deployment deployment = Plan(config, 1);
  EXPECT_EQ(deployment.workers[0].device, "cuda:4");
  EXPECT_EQ(deployment.workers[1].device, "cuda:5");
  EXPECT_EQ(deployment.workers[2].device, "cpu");
  config.workers.prefill.tensor_parallel = 4;
  EXPECT_EQ(PlanDeployment(config, 8)->workers[1].device, "cuda:8");
}

TEST(Deployment, ReachesWorkersOnAnyAddressThroughThisHost) {
  config::Config config = Split(1, 1);
  config.workers.host = "0.0.0.0";
  config.workers.prefill.port = 7000;
  const Deployment deployment = Plan(config, 1);
  EXPECT_EQ(deployment.workers[0].listen, "0.0.0.0:7000");
  EXPECT_EQ(deployment.workers[0].address, "127.0.0.1:7000");
}

TEST(Deployment, RefusesANameTakenByAWorkerElsewhere) {
  config::Config config = Split(1, 1);
  config.router.workers = {"d0=h:1"};
  const Result<Deployment> deployment = PlanDeployment(config, 1);
  ASSERT_FALSE(deployment.ok());
  EXPECT_THAT(deployment.status().message(), HasSubstr("'d0'"));
}

TEST(ProcessesOf, HandsConfigurationAndOverridesOn) {
  config::Config config;
  config.workers.mixed = {.count = 1, .threads = 2, .cores = "1,3", .port = 7000};
  const Deployment deployment = Plan(config, 4);
  const auto processes =
      ProcessesOf(deployment, {"f.yaml", {}, {{"log_level", "debug", "--log-level"}}});
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_THAT(processes[0].arguments,
              ElementsAre("baton", "router", "--worker", "m0=127.0.0.1:7000", "--config", "f.yaml",
                          "--set", "log_level=debug"));
  EXPECT_THAT(processes[1].arguments,
              ElementsAre("baton", "worker", "--role", "mixed", "--name", "m0", "--listen",
                          "127.0.0.1:7000", "--threads", "2", "--cores", "1,3", "--config",
                          "f.yaml", "--set", "log_level=debug"));
}

TEST(ProcessesOf, PutsBothWorkersIntoOneProcessWhereToldTo) {
  config::Config config = Split(1, 1);
  config.workers.one_process = true;
  config.workers.prefill.port = 7000;
  config.workers.decode.port = 7001;
  const auto processes = ProcessesOf(Plan(config, 2), {"f.yaml", {}, {}});
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_THAT(processes[0].arguments,
              ElementsAre("baton", "router", "--worker", "p0=127.0.0.1:7000", "--worker",
                          "d0=127.0.0.1:7001", "--config", "f.yaml"));
  EXPECT_EQ(processes[1].name, "p0+d0");
  EXPECT_THAT(processes[1].arguments,
              ElementsAre("baton", "worker", "--role", "both", "--name", "p0", "--listen",
                          "127.0.0.1:7000", "--threads", "1", "--name", "d0", "--listen",
                          "127.0.0.1:7001", "--threads", "1", "--config", "f.yaml"));
}

TEST(ProcessesOf, StopsTheRouterFirst) {
  const auto processes = ProcessesOf(Plan(Split(1, 1), 1), {});
  EXPECT_EQ(processes[0].name, "router");
  EXPECT_EQ(processes[0].stop_stage, 0);
  EXPECT_EQ(processes[1].stop_stage, 1);
  EXPECT_EQ(processes[2].stop_stage, 1);
}

TEST(DescribeGroups, CountsTheRolesThatAreThere) {
  config::Config config = Split(1, 3);
  EXPECT_EQ(DescribeGroups(config.workers), "1 prefill + 3 decode");
  config.workers.prefill.tensor_parallel = 2;
  EXPECT_EQ(DescribeGroups(config.workers), "1 prefill of 2 ranks + 3 decode");
}

}  // namespace
}  // namespace baton::app
