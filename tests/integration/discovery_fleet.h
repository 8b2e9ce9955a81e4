#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>

#include "support/baton_processes.h"
#include "support/free_port.h"
#include "support/http_client.h"
#include "support/load_loop.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// Routers that find their workers, several at once.
namespace baton::test {

using std::chrono::seconds;

inline constexpr int kPatienceS = 120;

inline std::vector<CompletionBody> Bodies() {
  std::vector<CompletionBody> bodies = RandomCompletions(29, 24, 120);
  for (size_t i = 0; i < bodies.size(); ++i) {
    bodies[i].max_tokens = 40;
    bodies[i].ignore_eos = true;
    bodies[i].stream = true;
    bodies[i].greedy = i % 2 == 0;
    bodies[i].seed = i;
  }
  return bodies;
}

/// Two routers, two prefill and two decode workers, each a process of its own.
class DiscoveryTest : public testing::Test {
 protected:
  struct Worker {
    std::string role;
    std::string name;
    std::string address;
  };

  void TearDown() override {
    if (HasFailure()) std::cerr << processes_.log();
  }

  void StartWorker(const Worker& worker) {
    processes_.Start(worker.name,
                     {"baton", "worker", "--role", worker.role, "--name", worker.name, "--listen",
                      worker.address, "--threads", "1", "--config", config_});
  }
  void StartRouter(const std::string& name, uint16_t port) {
    processes_.Start(name,
                     {"baton", "router", "--config", config_, "--port", std::to_string(port)});
  }
  void StartAll(const std::string& discovery) {
    testing_support::WriteFile(
        config_, "model: " BATON_SOURCE_DIR
                 "/configs/models/baton-tiny\n"
                 "workers: {prefill: {kv_memory: 64MiB}, decode: {kv_memory: 64MiB}}\n"
                 // Slow hosts are no reason to lose anybody here.
                 "handoff: {silence: 10s, lease: 60s}\n"
                 "timeouts: {worker_silence: 10s, no_worker: 120s}\n"
                 "router: {policy: least_loaded, resume_wait: 120s, discovery: {" +
                     discovery + ", interval: 50ms}}\n");
    for (const Worker& worker : workers_) StartWorker(worker);
    StartRouter("r0", ports_[0]);
    StartRouter("r1", ports_[1]);
  }
  static bool Until(const std::function<bool()>& reached) {
    return ServedBaton::Until(reached, seconds(kPatienceS));
  }
  std::string MetricsOf(uint16_t port) const { return HttpGet(port, "/metrics").body; }
  /// The router has so many workers, and each decode worker that serves is joined with two.
  bool Serves(uint16_t port, int workers) const {
    const std::string text = MetricsOf(port);
    return SumOfMetric(text, "baton_workers", {"state=\"there\""}) == workers &&
           SumOfMetric(text, "baton_workers") == workers &&
           HttpGet(port, "/readyz").status == 200 && Joins(port) == 2 * (workers - 2);
  }
  /// Pairs of workers as /fleet has them, which are joined.
  static int Joins(uint16_t port) {
    const std::string fleet = HttpGet(port, "/fleet").body;
    int joins = 0;
    for (size_t at = 0; (at = fleet.find("\"joined\":[", at)) != std::string::npos; ++at) {
      const std::string names = fleet.substr(at + 10, fleet.find(']', at) - at - 10);
      joins += static_cast<int>(std::count(names.begin(), names.end(), '"')) / 2;
    }
    return joins;
  }
  /// Ends one as an operator would, and starts it anew at the same address.
  void Restart(const Worker& worker) {
    processes_.Signal(worker.name, SIGTERM);
    ASSERT_EQ(processes_.WaitExit(worker.name, seconds(kPatienceS)), 0) << worker.name;
    StartWorker(worker);
    for (const uint16_t port : ports_) {
      ASSERT_TRUE(Until([&] { return Serves(port, 4); })) << worker.name;
    }
  }
  void ExpectSame(const std::vector<LoadLoop::Answer>& answers,
                  const std::vector<Outcome>& undisturbed) {
    EXPECT_FALSE(answers.empty());
    for (const LoadLoop::Answer& answer : answers) {
      EXPECT_TRUE(answer.finished()) << answer.outcome.status << " " << answer.outcome.error;
      EXPECT_EQ(answer.outcome.text, undisturbed[answer.body].text);
    }
  }
  /// Restarts each worker and one router while the other router serves.
  void RestartEverybodyUnderLoad() {
    for (const uint16_t port : ports_) {
      ASSERT_TRUE(Until([&] { return Serves(port, 4); }));
    }
    const std::vector<CompletionBody> bodies = Bodies();
    const std::vector<Outcome> undisturbed = CompleteAll(ports_[1], bodies, 4);
    LoadLoop load(ports_[0], bodies, 4);
    LoadLoop beside(ports_[1], bodies, 2);
    for (const Worker& worker : workers_) Restart(worker);
    ExpectSame(beside.Stop(), undisturbed);
    processes_.Signal("r1", SIGTERM);
    ASSERT_EQ(processes_.WaitExit("r1", seconds(kPatienceS)), 0);
    StartRouter("r1", ports_[1]);
    ASSERT_TRUE(Until([&] { return Serves(ports_[1], 4); }));
    ExpectSame(load.Stop(), undisturbed);
    ASSERT_TRUE(Until([&] { return Serves(ports_[0], 4); }));
  }

  testing_support::TemporaryFolder folder_;
  const std::string config_ = folder_.path() / "baton.yaml";
  const std::string list_ = folder_.path() / "workers.txt";
  const uint16_t ports_[2] = {FreePort(), FreePort()};
  std::vector<Worker> workers_;
  BatonProcesses processes_;
};

}  // namespace baton::test
