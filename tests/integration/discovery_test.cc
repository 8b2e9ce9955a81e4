#include "discovery_fleet.h"

namespace baton::test {
namespace {

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
