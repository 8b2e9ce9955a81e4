#include <nlohmann/json.hpp>

#include "discovery_fleet.h"
#include "support/certificates.h"
#include "support/free_port.h"

/// Routers that find their workers at an API server of Kubernetes.
namespace baton::test {
namespace {

class KubernetesDiscovery : public DiscoveryTest {
 protected:
  KubernetesDiscovery() {
    int host = 0;
    for (const auto& [role, name] : {std::pair{"prefill", "p0"}, std::pair{"prefill", "p1"},
                                     std::pair{"decode", "d0"}, std::pair{"decode", "d1"}}) {
      const std::string address = "127.78.0." + std::to_string(++host);
      workers_.push_back({role, name, address + ":" + std::to_string(port_)});
      // A slice each, so that a list has several pages.
      state_["slices"][std::string(role) + "-" + name] = {
          {"service", role},
          {"port", port_},
          {"endpoints", {{{"address", address}, {"ready", true}, {"terminating", false}}}}};
    }
    std::filesystem::create_directory(account_);
    authority_.Issue("kubernetes.default.svc", folder_.path() / "api");
    testing_support::WriteFile(account_ / "ca.crt", authority_.certificate());
    testing_support::WriteFile(account_ / "namespace", "test");
    GiveToken("t1");
    Publish();
  }

  void Publish() {
    testing_support::WriteFile(file_ + ".new", state_.dump());
    std::filesystem::rename(file_ + ".new", file_);
  }
  void GiveToken(const std::string& token) {
    state_["token"] = token;
    testing_support::WriteFile(account_ / "token.new", token + "\n");
    std::filesystem::rename(account_ / "token.new", account_ / "token");
  }
  void SetEndpoint(const Worker& worker, bool ready, bool terminating) {
    auto& endpoint = state_["slices"][worker.role + "-" + worker.name]["endpoints"][0];
    endpoint["ready"] = ready;
    endpoint["terminating"] = terminating;
    Publish();
  }
  void StartApiServer() {
    const std::string api = folder_.path() / "api";
    processes_.Start("api",
                     {"python3", BATON_SOURCE_DIR "/tests/integration/kubernetes/api_server.py",
                      "127.0.0.1:" + std::to_string(api_port_), api + ".pem", api + ".key", file_});
  }
  void StartFleet() {
    StartAll(
        "kind: kubernetes, services: [prefill, \"decode:grpc\"], watch: 2s, api_server: "
        "\"https://127.0.0.1:" +
        std::to_string(api_port_) + "\", service_account: " + account_.string());
  }
  bool AllSee(int workers, int trouble) const {
    return std::all_of(std::begin(ports_), std::end(ports_), [&](uint16_t port) {
      const std::string text = MetricsOf(port);
      return Serves(port, workers) && SumOfMetric(text, "baton_discovery_trouble") == trouble;
    });
  }
  bool AllComeTo(int workers, int trouble) const {
    return Until([&] { return AllSee(workers, trouble); });
  }

  const std::filesystem::path account_ = folder_.path() / "account";
  const std::string file_ = folder_.path() / "state.json";
  const uint16_t api_port_ = FreePort();
  const int port_ = FreePort();
  const Authority authority_{"cluster"};
  nlohmann::json state_ = {{"namespace", "test"},
                           {"services", {"prefill", "decode"}},
                           {"forbidden", false},
                           {"oldest", 0},
                           {"generation", 0}};
};

TEST_F(KubernetesDiscovery, FollowsPodsUnderLoadWithTwoRouters) {
  StartApiServer();
  StartFleet();
  ASSERT_TRUE(AllComeTo(4, 0));
  const std::vector<CompletionBody> bodies = Bodies();
  const std::vector<Outcome> undisturbed = CompleteAll(ports_[0], bodies, 4);
  LoadLoop load(ports_[0], bodies, 3);
  LoadLoop other(ports_[1], bodies, 3);
  for (const Worker& worker : workers_) {
    // As a kubelet ends a pod: it is withdrawn first, and still serves what it has.
    SetEndpoint(worker, false, true);
    for (const uint16_t port : ports_) {
      ASSERT_TRUE(Until([&] { return SumOfMetric(MetricsOf(port), "baton_workers") == 3; }));
    }
    EXPECT_TRUE(processes_.runs(worker.name));
    processes_.Signal(worker.name, SIGTERM);
    ASSERT_EQ(processes_.WaitExit(worker.name, seconds(kPatienceS)), 0) << worker.name;
    StartWorker(worker);
    SetEndpoint(worker, true, false);
    ASSERT_TRUE(AllComeTo(4, 0)) << worker.name;
  }
  ExpectSame(load.Stop(), undisturbed);
  ExpectSame(other.Stop(), undisturbed);
}

TEST_F(KubernetesDiscovery, KeepsItsWorkersWhileNobodyAnswersAndThenListsAnew) {
  StartApiServer();
  StartFleet();
  ASSERT_TRUE(AllComeTo(4, 0));
  processes_.Signal("api", SIGKILL);
  processes_.WaitExit("api", seconds(kPatienceS));
  ASSERT_TRUE(AllComeTo(4, 1));
  EXPECT_TRUE(Complete(ports_[0], Bodies().front()).complete);
  // Another one knows nothing of the versions before it; meanwhile a pod has gone.
  state_["oldest"] = 2000;
  state_["slices"].erase("decode-d1");
  Publish();
  StartApiServer();
  for (const uint16_t port : ports_) {
    EXPECT_TRUE(Until([&] {
      const std::string text = MetricsOf(port);
      return SumOfMetric(text, "baton_workers") == 3 &&
             SumOfMetric(text, "baton_discovery_trouble") == 0;
    }));
  }
}

TEST_F(KubernetesDiscovery, ListsAnewWhereItsVersionIsTooOld) {
  StartApiServer();
  StartFleet();
  ASSERT_TRUE(AllComeTo(4, 0));
  state_["oldest"] = 2000;
  state_["generation"] = 1;
  state_["slices"].erase("prefill-p1");
  Publish();
  for (const uint16_t port : ports_) {
    EXPECT_TRUE(Until([&] { return SumOfMetric(MetricsOf(port), "baton_workers") == 3; }));
  }
}

TEST_F(KubernetesDiscovery, ShowsTheTokenThatItWasGivenLast) {
  StartApiServer();
  StartFleet();
  ASSERT_TRUE(AllComeTo(4, 0));
  GiveToken("t2");
  state_["generation"] = 1;
  SetEndpoint(workers_.back(), false, true);
  for (const uint16_t port : ports_) {
    EXPECT_TRUE(Until([&] { return SumOfMetric(MetricsOf(port), "baton_workers") == 3; }));
  }
}

TEST_F(KubernetesDiscovery, SaysWhichRightsAreMissing) {
  state_["forbidden"] = true;
  Publish();
  StartApiServer();
  StartFleet();
  const auto reason = [&] { return HttpGet(ports_[0], "/readyz").body; };
  EXPECT_TRUE(Until([&] {
    return reason().find("apiGroups [discovery.k8s.io]") != std::string::npos;
  })) << reason();
  state_["forbidden"] = false;
  Publish();
  EXPECT_TRUE(AllComeTo(4, 0));
}

TEST_F(KubernetesDiscovery, TrustsNobodyButTheClustersAuthority) {
  testing_support::WriteFile(account_ / "ca.crt", Authority("another").certificate());
  StartApiServer();
  StartFleet();
  const auto reason = [&] { return HttpGet(ports_[0], "/readyz").body; };
  EXPECT_TRUE(Until([&] { return reason().find("does not vouch for") != std::string::npos; }))
      << reason();
  testing_support::WriteFile(account_ / "ca.crt", authority_.certificate());
  EXPECT_TRUE(AllComeTo(4, 0));
}

}  // namespace
}  // namespace baton::test
