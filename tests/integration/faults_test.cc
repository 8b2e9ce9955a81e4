#include <thread>

#include <gtest/gtest.h>
#include <signal.h>

#include "support/http_client.h"
#include "support/load.h"
#include "support/served_baton.h"

/// Clients that go away, and a server that is told to stop.
namespace baton::test {
namespace {

std::vector<CompletionBody> LongStreams(int count) {
  std::vector<CompletionBody> bodies = RandomCompletions(11, count, 150);
  for (CompletionBody& body : bodies) {
    body.max_tokens = 120;
    body.ignore_eos = true;
    body.stream = true;
  }
  return bodies;
}

TEST(Readiness, EndsWithTheLastPrefillWorkerAndComesBack) {
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  EXPECT_EQ(HttpGet(server.port(), "/readyz").status, 200);
  ASSERT_EQ(kill(server.WorkerPid("p0"), SIGKILL), 0);
  EXPECT_TRUE(ServedBaton::Until([&] { return HttpGet(server.port(), "/readyz").status == 503; },
                                 std::chrono::seconds(10)));
  EXPECT_TRUE(ServedBaton::Until([&] { return HttpGet(server.port(), "/readyz").status == 200; },
                                 std::chrono::seconds(30)));
}

TEST(LeavingClient, FreesEverythingOnBothWorkers) {
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  const std::vector<CompletionBody> bodies = LongStreams(16);
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (CompletionBody body : bodies) {
    body.max_tokens = 1500;
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    ASSERT_TRUE(clients.back()->Send("POST", "/v1/completions", body.ToJson(),
                                     {{"content-type", "application/json"}}));
  }
  EXPECT_EQ(clients[0]->ReadHead().status, 200);
  EXPECT_TRUE(clients[0]->NextEvent().has_value());
  for (auto& client : clients) client->Close(true);
  EXPECT_TRUE(server.WaitIdle(std::chrono::seconds(10))) << server.log();
  EXPECT_LT(server.Metric("baton_router_output_tokens_total"), 16 * 1500);
}

TEST(Processes, AreVisibleByRoleAndLeaveNoOrphans) {
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  const std::vector<pid_t> children = server.Children();
  EXPECT_EQ(children.size(), 3U);
  EXPECT_NE(ServedBaton::CommandLine(server.WorkerPid("p0")).find("baton worker --role prefill"),
            std::string::npos);
  EXPECT_NE(ServedBaton::CommandLine(server.WorkerPid("d0")).find("baton worker --role decode"),
            std::string::npos);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitExit(), 0) << server.log();
  for (const pid_t child : children) EXPECT_NE(kill(child, 0), 0);
}

TEST(OneProcess, HoldsBothWorkersAndComesBackWithBoth) {
  ServedBaton server({.arguments = {"--set", "workers.one_process=true"}});
  ASSERT_TRUE(server.WaitReady());
  EXPECT_EQ(server.Children().size(), 2U);
  const pid_t worker = server.WorkerPid("p0");
  EXPECT_EQ(server.WorkerPid("d0"), worker);
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  EXPECT_TRUE(ServedBaton::Until(
      [&] {
        const pid_t now = server.WorkerPid("d0");
        return now != -1 && now != worker && HttpGet(server.port(), "/readyz").status == 200;
      },
      std::chrono::seconds(60)));
  const Outcome outcome = Complete(server.port(), LongStreams(1).front());
  EXPECT_TRUE(outcome.complete) << outcome.error;
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitExit(), 0) << server.log();
}

TEST(OneProcess, EndsWhereOneOfItsWorkersCannotBeMade) {
  for (const std::string role : {"prefill", "decode"}) {
    ServedBaton server({.arguments = {"--set", "workers.one_process=true", "--set",
                                      "workers." + role + ".kv_memory=900TiB"}});
    EXPECT_EQ(server.WaitExit(), 1) << server.log();
    EXPECT_NE(server.log().find("the KV cache takes 900.0 TiB"), std::string::npos) << server.log();
  }
}

class Draining : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Workers, Draining, testing::Bool(), [](const auto& in_one_process) {
  return in_one_process.param ? "InOneProcess" : "InTwoProcesses";
});

TEST_P(Draining, FinishesRunningStreams) {
  ServedBaton server({.arguments = {"--set", GetParam() ? "workers.one_process=true"
                                                        : "workers.one_process=false"}});
  ASSERT_TRUE(server.WaitReady());
  CompletionBody body = LongStreams(1).front();
  Outcome outcome;
  std::thread client([&] { outcome = Complete(server.port(), body); });
  EXPECT_TRUE(
      ServedBaton::Until([&] { return server.Metric("baton_router_output_tokens_total") > 3; },
                         std::chrono::seconds(30)));
  server.Signal(SIGTERM);
  client.join();
  EXPECT_TRUE(outcome.complete) << outcome.error;
  EXPECT_EQ(outcome.finish_reason, "length");
  EXPECT_EQ(server.WaitExit(), 0) << server.log();
}

}  // namespace
}  // namespace baton::test
