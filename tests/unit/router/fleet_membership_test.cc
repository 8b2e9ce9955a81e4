#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet.h"

namespace baton::router {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using Work = std::function<void()>;

/// Whoever answers at an address; absent: nobody does.
struct Host {
  std::string name;
  Role role = Role::kMixed;
  /// What it was told last.
  std::vector<rpc::PeerAddress> peers;
};
using Hosts = std::map<std::string, Host>;

class NoCall final : public rpc::JoinCall {
  void Cancel() override {}
  void SendAlive() override {}
};

class FakeClient final : public rpc::WorkerClient {
 public:
  FakeClient(Hosts& hosts, std::map<std::string, rpc::WatchCallbacks>& watches, std::string address)
      : hosts_(hosts), watches_(watches), address_(std::move(address)) {}

  void Describe(Duration, std::function<void(Result<rpc::WorkerDescription>)> reply) override {
    const auto host = hosts_.find(address_);
    if (host == hosts_.end()) return reply(Unavailable("refused"));
    rpc::WorkerDescription description;
    description.identity.name = host->second.name;
    description.role = host->second.role;
    reply(description);
  }
  void SetPeers(const std::vector<rpc::PeerAddress>& peers, Duration,
                std::function<void(Status)> reply) override {
    hosts_[address_].peers = peers;
    reply(OkStatus());
  }
  void SetRole(Role, Duration, Duration, std::function<void(Status)> reply) override {
    reply(OkStatus());
  }
  std::shared_ptr<rpc::Call> Generate(const rpc::GenerateCall&, rpc::GenerateCallbacks) override {
    return std::make_shared<NoCall>();
  }
  std::shared_ptr<rpc::Call> Watch(rpc::WatchCallbacks callbacks) override {
    callbacks.on_status({});
    watches_[address_] = std::move(callbacks);
    struct Watched final : rpc::Call {
      Watched(std::map<std::string, rpc::WatchCallbacks>& all, std::string where)
          : watches(all), address(std::move(where)) {}
      void Cancel() override {
        const auto watch = watches.extract(address);
        if (!watch.empty()) watch.mapped().on_end(Cancelled("cancelled"));
      }
      std::map<std::string, rpc::WatchCallbacks>& watches;
      const std::string address;
    };
    return std::make_shared<Watched>(watches_, address_);
  }
  std::shared_ptr<rpc::JoinCall> Join(const rpc::JoinHello&, rpc::JoinCallbacks) override {
    return std::make_shared<NoCall>();
  }

 private:
  Hosts& hosts_;
  std::map<std::string, rpc::WatchCallbacks>& watches_;
  const std::string address_;
};

/// A fleet on a clock that stands, whose calls end at once.
class FleetMembershipTest : public testing::Test {
 protected:
  ~FleetMembershipTest() override {
    fleet_.Close();
    Settle();
    EXPECT_TRUE(fleet_.idle());
  }
  /// Does all that is due now.
  void Settle() {
    for (int i = 0; i < 20; ++i) {
      fleet_.Tick(clock_.Now());
      while (!work_.empty()) {
        const Work work = std::move(work_.front());
        work_.pop_front();
        work();
      }
    }
  }
  /// The time until whoever is not there is dialed again.
  void Pass() {
    clock_.Advance(std::chrono::seconds(5));
    for (auto& [address, watch] : watches_) watch.on_status({});
    Settle();
  }
  void Find(const std::vector<discovery::Place>& places) {
    fleet_.SetPlaces(places);
    Settle();
  }
  void End(const std::string& address) {
    hosts_.erase(address);
    const auto watch = watches_.extract(address);
    if (!watch.empty()) watch.mapped().on_end(OkStatus());
    Settle();
  }
  std::vector<std::string> Serving() const {
    std::vector<std::string> names;
    for (const WorkerView& view : fleet_.Views()) names.push_back(view.name);
    return names;
  }

  Hosts hosts_;
  std::map<std::string, rpc::WatchCallbacks> watches_;
  std::deque<Work> work_;
  std::vector<std::string> lost_;
  ManualClock clock_;
  telemetry::MetricRegistry registry_;
  RouterMetrics metrics_{registry_};
  const RouterOptions options_{.status_timeout = std::chrono::hours(1)};
  Fleet fleet_{options_,
               [this](const std::string& address) {
                 return std::make_unique<FakeClient>(hosts_, watches_, address);
               },
               metrics_,
               clock_,
               [this](Work work) { work_.push_back(std::move(work)); },
               [this](const std::string& worker, const Status&) { lost_.push_back(worker); }};
};

TEST_F(FleetMembershipTest, AdmitsWhoeverSaysWhoItIsUnderThatName) {
  hosts_["a:1"] = {.name = "m0"};
  Find({{"", "a:1"}});
  EXPECT_THAT(Serving(), ElementsAre("m0"));
}

TEST_F(FleetMembershipTest, GoesOnAskingAnAddressWhereNobodyAnswers) {
  Find({{"", "a:1"}});
  EXPECT_THAT(Serving(), ElementsAre());
  ASSERT_EQ(fleet_.State().size(), 1u);
  EXPECT_EQ(fleet_.State()[0].name, "a:1");
  EXPECT_THAT(fleet_.State()[0].problem, HasSubstr("refused"));
  hosts_["a:1"] = {.name = "m0"};
  Pass();
  EXPECT_THAT(Serving(), ElementsAre("m0"));
}

TEST_F(FleetMembershipTest, SendsNothingToWhoeverIsNotFoundAnyMoreAndKeepsItUntilItHasNothing) {
  hosts_["a:1"] = {.name = "m0"};
  Find({{"", "a:1"}});
  fleet_.AddLoad("m0", 1);
  Find({});
  EXPECT_THAT(Serving(), ElementsAre());
  EXPECT_TRUE(watches_.contains("a:1"));
  fleet_.AddLoad("m0", -1);
  Settle();
  EXPECT_FALSE(watches_.contains("a:1"));
  EXPECT_TRUE(fleet_.State().empty());
  EXPECT_TRUE(lost_.empty());
}

TEST_F(FleetMembershipTest, TakesWhoeverIsFoundAgainBeforeItLeft) {
  hosts_["a:1"] = {.name = "m0"};
  Find({{"", "a:1"}});
  fleet_.AddLoad("m0", 1);
  Find({});
  Find({{"", "a:1"}});
  EXPECT_THAT(Serving(), ElementsAre("m0"));
  fleet_.AddLoad("m0", -1);
  Settle();
  EXPECT_THAT(Serving(), ElementsAre("m0"));
}

TEST_F(FleetMembershipTest, TakesWhoeverAnswersAtAnAddressNextForAnother) {
  hosts_["a:1"] = {.name = "m0"};
  Find({{"", "a:1"}});
  End("a:1");
  EXPECT_THAT(lost_, ElementsAre("m0"));
  hosts_["a:1"] = {.name = "m1"};
  Pass();
  EXPECT_THAT(Serving(), ElementsAre("m1"));
}

TEST_F(FleetMembershipTest, IsToForgetWhoLeftOnceThatIsLongAgo) {
  hosts_["a:1"] = {.name = "m0"};
  Find({{"", "a:1"}});
  Find({});
  EXPECT_THAT(Serving(), testing::IsEmpty());
  EXPECT_THAT(fleet_.TakeForgotten(clock_.Now()), testing::IsEmpty());

  clock_.Advance(std::chrono::minutes(6));

  EXPECT_THAT(fleet_.TakeForgotten(clock_.Now()), ElementsAre("m0"));
  EXPECT_THAT(fleet_.TakeForgotten(clock_.Now()), testing::IsEmpty());
}

TEST_F(FleetMembershipTest, ForgetsTheNameOfAnEarlierPodAtAnAddressThatStays) {
  hosts_["a:1"] = {.name = "pod-1"};
  Find({{"", "a:1"}});
  End("a:1");
  hosts_["a:1"] = {.name = "pod-2"};
  for (int i = 0; i < 5; ++i) Pass();
  EXPECT_THAT(Serving(), ElementsAre("pod-2"));

  clock_.Advance(std::chrono::minutes(6));

  EXPECT_THAT(fleet_.TakeForgotten(clock_.Now()), ElementsAre("pod-1"));
}

TEST_F(FleetMembershipTest, ForgetsNothingOfWhoCameBack) {
  hosts_["a:1"] = {.name = "m0"};
  Find({{"", "a:1"}});
  Find({});
  Find({{"", "a:1"}});
  clock_.Advance(std::chrono::minutes(6));

  EXPECT_THAT(fleet_.TakeForgotten(clock_.Now()), testing::IsEmpty());
}

TEST_F(FleetMembershipTest, FollowsANameToItsNewAddress) {
  hosts_["a:1"] = {.name = "m0"};
  Find({{"", "a:1"}});
  hosts_["b:1"] = {.name = "m0"};
  Find({{"", "a:1"}, {"", "b:1"}});
  EXPECT_EQ(fleet_.State().size(), 2u);  // The second is refused as long as the first is there.
  End("a:1");
  Find({{"", "b:1"}});
  Pass();
  EXPECT_THAT(Serving(), ElementsAre("m0"));
  EXPECT_EQ(fleet_.State().size(), 1u);
}

TEST_F(FleetMembershipTest, RefusesNamesThatAreNone) {
  hosts_["a:1"] = {.name = "m 0\n"};
  Find({{"", "a:1"}});
  EXPECT_THAT(Serving(), ElementsAre());
  EXPECT_THAT(fleet_.State()[0].problem, HasSubstr("no name"));
}

TEST_F(FleetMembershipTest, KeepsWorkersThatAreNamedAndTriesThemAnew) {
  hosts_["a:1"] = {.name = "whatever"};
  Find({{"m0", "a:1"}});
  EXPECT_THAT(Serving(), ElementsAre("m0"));
  End("a:1");
  EXPECT_EQ(fleet_.State()[0].name, "m0");
  hosts_["a:1"] = {.name = "whatever"};
  Pass();
  EXPECT_THAT(Serving(), ElementsAre("m0"));
}

TEST_F(FleetMembershipTest, TellsDecodeWorkersWhoCameAndWhoLeft) {
  hosts_["d:1"] = {.name = "d0", .role = Role::kDecode};
  hosts_["p:1"] = {.name = "p0", .role = Role::kPrefill};
  Find({{"", "d:1"}, {"", "p:1"}});
  EXPECT_THAT(hosts_["d:1"].peers, ElementsAre(rpc::PeerAddress{"p0", "p:1"}));
  Find({{"", "d:1"}});
  EXPECT_THAT(hosts_["d:1"].peers, ElementsAre());
}

}  // namespace
}  // namespace baton::router
