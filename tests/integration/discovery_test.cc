#include <algorithm>
#include <filesystem>
#include <iostream>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "support/baton_processes.h"
#include "support/http_client.h"
#include "support/load_loop.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// Routers that find their workers, several at once.
namespace baton::test {
namespace {

using std::chrono::seconds;

constexpr int kPatienceS = 120;

std::vector<CompletionBody> Bodies() {
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

class FileDiscovery : public DiscoveryTest {
 protected:
  FileDiscovery() {
    for (const auto& [role, name] : {std::pair{"prefill", "p0"}, std::pair{"prefill", "p1"},
                                     std::pair{"decode", "d0"}, std::pair{"decode", "d1"}}) {
      workers_.push_back({role, name, "127.0.0.1:" + std::to_string(FreePort())});
    }
    List(workers_);
  }
  void List(const std::vector<Worker>& workers) {
    std::string text;
    for (const Worker& worker : workers) text += worker.address + "\n";
    testing_support::WriteFile(list_ + ".new", text);
    std::filesystem::rename(list_ + ".new", list_);
  }
};

TEST_F(FileDiscovery, ServesThroughARollingRestartOfAllWithTwoRouters) {
  StartAll("kind: file, file: " + list_);
  RestartEverybodyUnderLoad();
}

TEST_F(FileDiscovery, FollowsTheListUnderLoad) {
  StartAll("kind: file, file: " + list_);
  for (const uint16_t port : ports_) {
    ASSERT_TRUE(Until([&] { return Serves(port, 4); }));
  }
  const std::vector<CompletionBody> bodies = Bodies();
  const std::vector<Outcome> undisturbed = CompleteAll(ports_[0], bodies, 4);
  LoadLoop load(ports_[0], bodies, 3);
  LoadLoop other(ports_[1], bodies, 3);
  for (const size_t out : {size_t{3}, size_t{0}}) {
    std::vector<Worker> rest = workers_;
    rest.erase(rest.begin() + static_cast<ptrdiff_t>(out));
    List(rest);
    for (const uint16_t port : ports_) {
      EXPECT_TRUE(Until([&] {
        const std::string text = MetricsOf(port);
        return SumOfMetric(text, "baton_workers", {"state=\"there\""}) == 3 &&
               SumOfMetric(text, "baton_workers") == 3 && Joins(port) == 2;
      }));
    }
    EXPECT_TRUE(processes_.runs(workers_[out].name));
    List(workers_);
    for (const uint16_t port : ports_) {
      EXPECT_TRUE(Until([&] { return Serves(port, 4); }));
    }
  }
  ExpectSame(load.Stop(), undisturbed);
  ExpectSame(other.Stop(), undisturbed);
}

/// Workers at addresses of their own on one port, as pods are, behind two names.
class DnsDiscovery : public DiscoveryTest {
 protected:
  DnsDiscovery() {
    int host = 0;
    for (const auto& [role, name] : {std::pair{"prefill", "p0"}, std::pair{"prefill", "p1"},
                                     std::pair{"decode", "d0"}, std::pair{"decode", "d1"}}) {
      workers_.push_back({role, name, "127.77.0." + std::to_string(++host) + ":" + port_});
    }
  }
  std::string By(const std::string& names) const {
    return "kind: dns, names: [" + names +
           "], dns_server: \"127.0.0.1:" + std::to_string(dns_port_) + "\"";
  }
  std::string ByHosts() const {
    return By("prefill.baton.test:" + port_ + ", decode.baton.test:" + port_);
  }
  void StartDns() {
    std::vector<std::string> words = {"/usr/sbin/dnsmasq",
                                      "--user=",
                                      "--keep-in-foreground",
                                      "--no-resolv",
                                      "--no-hosts",
                                      "--no-daemon",
                                      "--conf-file=/dev/null",
                                      "--listen-address=127.0.0.1",
                                      "--bind-interfaces",
                                      "--pid-file=",
                                      "--port=" + std::to_string(dns_port_),
                                      "--local=/baton.test/"};
    for (const Worker& worker : workers_) {
      const std::string host = worker.address.substr(0, worker.address.find(':'));
      words.push_back("--host-record=" + worker.name + ".baton.test," + host);
      words.push_back("--srv-host=_baton._tcp.baton.test," + worker.name + ".baton.test," + port_);
      words.push_back("--host-record=" + worker.role + ".baton.test," + host);
    }
    processes_.Start("dns", words);
  }

  const uint16_t dns_port_ = FreePort();
  const std::string port_ = std::to_string(FreePort());
};

TEST_F(DnsDiscovery, ServesThroughARollingRestartOfAllWithTwoRouters) {
  StartDns();
  StartAll(ByHosts());
  RestartEverybodyUnderLoad();
}

TEST_F(DnsDiscovery, FindsTheTargetsOfAServiceRecord) {
  StartDns();
  StartAll(By("_baton._tcp.baton.test"));
  for (const uint16_t port : ports_) {
    ASSERT_TRUE(Until([&] { return Serves(port, 4); }));
  }
  EXPECT_TRUE(Complete(ports_[0], Bodies().front()).complete);
}

TEST_F(DnsDiscovery, KeepsItsWorkersWhileNobodyAnswers) {
  StartDns();
  StartAll(ByHosts());
  ASSERT_TRUE(Until([&] { return Serves(ports_[0], 4); }));
  processes_.Signal("dns", SIGKILL);
  processes_.WaitExit("dns", seconds(kPatienceS));
  ASSERT_TRUE(
      Until([&] { return SumOfMetric(MetricsOf(ports_[0]), "baton_discovery_trouble") == 1; }));
  EXPECT_TRUE(Serves(ports_[0], 4));
  EXPECT_TRUE(Complete(ports_[0], Bodies().front()).complete);
  StartDns();
  EXPECT_TRUE(
      Until([&] { return SumOfMetric(MetricsOf(ports_[0]), "baton_discovery_trouble") == 0; }));
  EXPECT_TRUE(Serves(ports_[0], 4));
}

}  // namespace
}  // namespace baton::test
