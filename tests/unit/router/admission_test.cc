#include "admission.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "baton/telemetry/metrics.h"

namespace baton::router {
namespace {

using Outcome = Admission::Attempt::Outcome;
using Terms = Admission::Terms;
using std::chrono::milliseconds;
using std::chrono::seconds;

class SilentSink final : public api::CompletionSink {
  void OnRoute(std::string) override {}
  void OnToken(TokenOutput) override {}
  void OnEnd(Status) override {}
};

/// The test is the fleet: `room_` is how many more requests it has room for.
class AdmissionTest : public testing::Test {
 protected:
  void Make(RouterOptions options) {
    admission_ = std::make_unique<Admission>(
        options, metrics_,
        Admission::Links{.has_room =
                             [this] {
                               ++asked_;
                               return room_ > 0;
                             },
                         .room_version = [this] { return version_; },
                         .outlook = [this](const Request&) { return outlook_; },
                         .send = [this](const Admission::Routed& routed,
                                        Terms terms) { return Send(*routed, terms); },
                         .refuse =
                             [this](const Admission::Routed& routed, const api::Refusal& refusal,
                                    const Status& status) {
                               refused_[routed->request.id] = refusal;
                               routed->Refuse(refusal, status);
                             }});
  }
  Admission::Attempt Send(RoutedRequest& routed, Terms terms) {
    if (terms == Terms::kInTime && late_.contains(routed.request.id))
      return {.outcome = Outcome::kTooLate, .late = seconds(3)};
    if (terms == Terms::kUnqueued && queued_) return {.outcome = Outcome::kNoRoom};
    --room_;
    sent_.push_back(routed.request.id);
    routed.Finish(Cancelled("the test ends here"));
    return {};
  }
  void Add(const std::string& id, const Request& request = {}) {
    auto routed = std::make_shared<RoutedRequest>(std::make_shared<SilentSink>(), clock_.Now(),
                                                  clock_, metrics_);
    routed->slo = request.slo;
    routed->cost = 10;
    routed->request = request;
    routed->request.id = id;
    admission_->Add(std::move(routed), clock_.Now());
  }
  void MakeRoom(int more) {
    room_ += more;
    ++version_;
    admission_->Run(clock_.Now());
  }
  void Pass(Duration time) {
    clock_.Advance(time);
    admission_->Run(clock_.Now());
  }
  double Figure(const std::string& name, const std::string& label) {
    for (const auto& family : registry_.Collect().families) {
      for (const auto& sample : family.samples) {
        if (family.name == name && !sample.labels.empty() && sample.labels[0].second == label)
          return sample.value;
      }
    }
    return -1;
  }
  /// Ten requests of 10 tokens go, one a second, while others wait.
  void LearnHowFastTheQueueIs() {
    for (int i = 0; i < 11; ++i) Add("learn" + std::to_string(i));
    for (int i = 0; i < 11; ++i) {
      clock_.Advance(seconds(1));
      MakeRoom(1);
    }
    sent_.clear();
  }

  ManualClock clock_;
  telemetry::MetricRegistry registry_;
  RouterMetrics metrics_{registry_};
  std::unique_ptr<Admission> admission_;
  int room_ = 0;
  int asked_ = 0;
  uint64_t version_ = 1;
  Outlook outlook_;
  std::set<std::string> late_;
  /// Wherever there is room for more.
  bool queued_ = false;
  std::vector<std::string> sent_;
  std::map<std::string, api::Refusal> refused_;
};

TEST_F(AdmissionTest, SendsAtOnceWhereThereIsRoom) {
  Make({});
  room_ = 1;
  Add("a");
  EXPECT_EQ(sent_, std::vector<std::string>{"a"});
  EXPECT_TRUE(admission_->empty());
}

TEST_F(AdmissionTest, HoldsTheOthersUntilThereIs) {
  Make({});
  Add("a");
  Add("b", {.priority = -1});
  EXPECT_EQ(admission_->size(), 2u);
  EXPECT_EQ(Figure("baton_queue_requests", "high"), 1);
  EXPECT_EQ(Figure("baton_queue_requests", "normal"), 1);
  EXPECT_EQ(Figure("vllm:num_requests_waiting", "router"), 2);
  MakeRoom(1);
  EXPECT_EQ(sent_, std::vector<std::string>{"b"});
  MakeRoom(5);
  EXPECT_EQ(sent_, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(Figure("vllm:num_requests_waiting", "router"), 0);
}

TEST_F(AdmissionTest, AsksForRoomOnlyWhenThereMayBeSome) {
  Make({});
  for (int i = 0; i < 100; ++i) Add(std::to_string(i));
  for (int i = 0; i < 100; ++i) Pass(milliseconds(1));
  EXPECT_EQ(asked_, 1);
}

TEST_F(AdmissionTest, GivesUpThePlaceOfARequestThatIsCancelled) {
  Make({});
  Add("a");
  Add("b");
  EXPECT_TRUE(admission_->Take("a"));
  EXPECT_FALSE(admission_->Take("a"));
  MakeRoom(2);
  EXPECT_EQ(sent_, std::vector<std::string>{"b"});
}

TEST_F(AdmissionTest, RefusesWhatWouldMakeTheQueueLongerThanItMayBe) {
  Make({.queued = 2});
  Add("a");
  Add("b");
  Add("c");
  EXPECT_EQ(refused_["c"].reason, "queue_full");
  Add("d", {.tenant = "other"});
  EXPECT_EQ(refused_["b"].reason, "queue_full");
  EXPECT_EQ(Figure("baton_refusals_total", "queue_full"), 2);
  MakeRoom(9);
  EXPECT_EQ(sent_.size(), 2u);
}

TEST_F(AdmissionTest, RefusesWhatHasWaitedAsLongAsItMay) {
  Make({.queue_wait = seconds(5)});
  Add("a");
  Pass(seconds(4));
  Add("b");
  EXPECT_EQ(admission_->next(), clock_.Now() + seconds(1));
  Pass(seconds(1));
  EXPECT_EQ(refused_.size(), 1u);
  EXPECT_EQ(refused_["a"].reason, "queue_wait");
}

TEST_F(AdmissionTest, WaitsForAWorkerAsLongAsToldAndThenRefusesAtOnce) {
  Make({.no_worker_wait = seconds(2)});
  admission_->SetPossible(Unavailable("no worker is ready"), clock_.Now());
  Add("a");
  Pass(milliseconds(1900));
  EXPECT_EQ(admission_->next(), clock_.Now() + milliseconds(100));
  EXPECT_TRUE(refused_.empty());
  Pass(milliseconds(100));
  EXPECT_EQ(refused_["a"].reason, "no_worker");
  Add("b");
  EXPECT_EQ(refused_["b"].reason, "no_worker");
}

TEST_F(AdmissionTest, ServesWhatWaitedForAWorkerOnceOneIsReady) {
  Make({.no_worker_wait = seconds(2)});
  admission_->SetPossible(Unavailable("no worker is ready"), clock_.Now());
  Add("a");
  Pass(seconds(1));
  admission_->SetPossible(OkStatus(), clock_.Now());
  MakeRoom(1);
  EXPECT_EQ(sent_, std::vector<std::string>{"a"});
  EXPECT_EQ(admission_->next(), TimePoint::max());
}

TEST_F(AdmissionTest, RefusesAtItsTurnWhatAWorkerCouldNotServeInTime) {
  Make({.overload = Overload::kRefuse});
  late_ = {"a"};
  Add("a", {.slo = {.ttft = seconds(1)}});
  Add("b", {.slo = {.ttft = seconds(1)}});
  MakeRoom(2);
  EXPECT_EQ(sent_, std::vector<std::string>{"b"});
  EXPECT_EQ(refused_["a"].reason, "slo_unattainable");
  EXPECT_EQ(refused_["a"].retry_after, seconds(3));
}

TEST_F(AdmissionTest, RefusesWhileItWaitsWhatOnlyAPrefillAtOnceWouldServeInTime) {
  Make({.overload = Overload::kRefuse});
  outlook_ = {.ttft = milliseconds(400), .prefill = milliseconds(300)};
  Add("a", {.slo = {.ttft = seconds(1)}});
  EXPECT_EQ(admission_->next(), clock_.Now() + milliseconds(700));
  Pass(milliseconds(600));
  EXPECT_TRUE(refused_.empty());
  Pass(milliseconds(100));
  EXPECT_EQ(refused_["a"].reason, "slo_unattainable");
}

TEST_F(AdmissionTest, RefusesOnArrivalWhatTheQueueWillNotServeInTime) {
  Make({.overload = Overload::kRefuse});
  LearnHowFastTheQueueIs();
  for (int i = 0; i < 5; ++i) Add(std::to_string(i));
  outlook_.ttft = seconds(1);
  Add("behind", {.priority = 1, .slo = {.ttft = seconds(4)}});
  EXPECT_EQ(refused_["behind"].reason, "slo_unattainable");
  EXPECT_NEAR(Seconds(refused_["behind"].retry_after), 2, 0.01);
  // Due before those that wish for nothing.
  Add("before", {.slo = {.ttft = seconds(4)}});
  EXPECT_FALSE(refused_.contains("before"));
}

TEST_F(AdmissionTest, RefusesNobodyOnArrivalBeforeItKnowsHowFastTheQueueIs) {
  Make({.overload = Overload::kRefuse});
  for (int i = 0; i < 50; ++i) Add(std::to_string(i));
  Add("a", {.priority = 1, .slo = {.ttft = milliseconds(1)}});
  EXPECT_TRUE(refused_.empty());
}

TEST_F(AdmissionTest, PutsWhatIsTooLateBehindWhatIsNot) {
  Make({.overload = Overload::kDegrade});
  late_ = {"a"};
  Add("a", {.slo = {.ttft = seconds(1)}});
  Add("b", {.slo = {.ttft = seconds(2)}});
  Add("c");
  MakeRoom(3);
  EXPECT_EQ(sent_, (std::vector<std::string>{"b", "c", "a"}));
  EXPECT_TRUE(refused_.empty());
}

TEST_F(AdmissionTest, SendsWhatIsTooLateWhereThereIsNoQueueOnly) {
  Make({.overload = Overload::kDegrade});
  late_ = {"a"};
  queued_ = true;
  MakeRoom(3);
  Add("a", {.slo = {.ttft = seconds(1)}});
  EXPECT_TRUE(sent_.empty());
  Add("b", {.slo = {.ttft = seconds(2)}});
  EXPECT_EQ(sent_, std::vector<std::string>{"b"});
  queued_ = false;
  MakeRoom(0);
  EXPECT_EQ(sent_, (std::vector<std::string>{"b", "a"}));
}

TEST_F(AdmissionTest, PutsWhatBecomesTooLateBehindWhatIsNot) {
  Make({.overload = Overload::kDegrade});
  Add("a", {.slo = {.ttft = seconds(1)}});
  Add("b");
  Pass(seconds(1));
  Pass(seconds(1));
  MakeRoom(2);
  EXPECT_EQ(sent_, (std::vector<std::string>{"b", "a"}));
}

TEST_F(AdmissionTest, KeepsTheOrderOfWhatIsTooLateWhenToldTo) {
  Make({.overload = Overload::kQueue});
  late_ = {"a"};
  Add("a", {.slo = {.ttft = seconds(1)}});
  Add("b");
  Pass(seconds(2));
  MakeRoom(2);
  EXPECT_EQ(sent_, (std::vector<std::string>{"a", "b"}));
}

TEST_F(AdmissionTest, RefusesAllThatWaitWhenItCloses) {
  Make({});
  Add("a");
  Add("b");
  admission_->Close(Unavailable("the router is shutting down"));
  EXPECT_EQ(refused_.size(), 2u);
  EXPECT_TRUE(admission_->empty());
}

TEST_F(AdmissionTest, RefusesWhatComesAfterItHasClosed) {
  Make({});
  MakeRoom(1);
  admission_->Close(Unavailable("the router is shutting down"));
  Add("a");
  EXPECT_EQ(refused_.size(), 1u);
  EXPECT_TRUE(sent_.empty());
}

TEST(DrainRate, TellsNothingBeforeItHasSeenEnough) {
  DrainRate rate;
  for (int i = 0; i < 7; ++i) rate.Learn(10, seconds(1));
  EXPECT_EQ(rate.TimeFor(100), Duration::zero());
  rate.Learn(10, seconds(1));
  EXPECT_EQ(rate.TimeFor(100), seconds(10));
}

TEST(DrainRate, FollowsAQueueThatSlowsDown) {
  DrainRate rate;
  for (int i = 0; i < 20; ++i) rate.Learn(10, seconds(1));
  for (int i = 0; i < 100; ++i) rate.Learn(10, seconds(4));
  EXPECT_NEAR(Seconds(rate.TimeFor(10)), 4, 0.1);
}

}  // namespace
}  // namespace baton::router
