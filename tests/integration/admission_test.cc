#include <atomic>
#include <csignal>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/access/key_file.h"
#include "support/api_answer.h"
#include "support/http_client.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// The router's queue, with real processes: one worker that runs one request at a time, and far
/// more requests than that.
namespace baton::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr Duration kPatience = std::chrono::seconds(120);
constexpr int kFlood = 80;
/// More than those ahead of one that goes before all in the queue: one that runs, four that its
/// worker got ahead, and those that end while the test looks.
constexpr int kAtWorker = 30;

HttpClient::Headers WithKey(const std::string& key) {
  if (key.empty()) return {};
  return {{"Authorization", "Bearer " + key}};
}

/// Many requests at once of one client, each on a connection of its own, and each so long that they
/// outlast what a test does meanwhile; those still there at its end are given up.
class Flood {
 public:
  explicit Flood(uint16_t port, const std::string& key = {}) {
    const json body = TextBody({{"max_tokens", 600}, {"ignore_eos", true}});
    for (int i = 0; i < kFlood; ++i) {
      clients_.push_back(std::make_unique<HttpClient>(port, kPatience));
      clients_.back()->Send("POST", kText, body.dump(), WithKey(key));
    }
    for (auto& client : clients_) {
      threads_.emplace_back([this, &client] {
        if (client->ReadReply().status == 200) ++finished_;
      });
    }
  }
  ~Flood() {
    for (auto& client : clients_) client->Abandon();
  }
  int finished() const { return finished_; }
  /// How many of them finish in the end.
  int Join() {
    for (std::jthread& thread : threads_) thread.join();
    threads_.clear();
    return finished_;
  }

 private:
  std::vector<std::unique_ptr<HttpClient>> clients_;
  std::atomic<int> finished_{0};
  std::vector<std::jthread> threads_;
};

class AdmissionTest : public testing::Test {
 protected:
  void Serve(std::vector<std::string> settings = {}) {
    ServedOptions options{.prefill = 0, .decode = 0, .mixed = 1};
    settings.push_back("engine.running_sequences=1");
    for (const std::string& setting : settings) {
      options.arguments.insert(options.arguments.end(), {"--set", setting});
    }
    server_ = std::make_unique<ServedBaton>(options);
    ASSERT_TRUE(server_->WaitReady());
  }
  std::string KeyFile() {
    const std::string file = (folder_.path() / "keys").string();
    const auto line = [](const std::string& key, const std::string& name) {
      return "key sha256:" + access::ToHex(access::Sha256(key)) + " name=" + name + "\n";
    };
    std::ofstream(file) << line("one", "many") << line("two", "few");
    return file;
  }
  double Queued(const std::vector<std::string>& labels = {}) const {
    return server_->Metric("baton_queue_requests", labels);
  }
  /// Until so many wait in the router's queue.
  bool AwaitQueue(int count) const {
    return ServedBaton::Until([&] { return Queued() >= count; }, kPatience);
  }
  HttpReply Ask(const json& fields = json::object(), const std::string& key = {}) const {
    json body = TextBody({{"max_tokens", 4}});
    body.update(fields);
    return HttpClient(server_->port(), kPatience).Post(kText, body.dump(), WithKey(key));
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<ServedBaton> server_;
};

TEST_F(AdmissionTest, AFloodOfOneTenantDelaysAnotherByNoMoreThanWhatWorkersHaveAlready) {
  Serve({"router.api_keys=" + KeyFile(), "router.insecure=true"});
  ASSERT_NE(server_, nullptr);
  Flood flood(server_->port(), "one");
  const auto ends_one = [&] { return flood.finished() > 0; };
  ASSERT_TRUE(ServedBaton::Until(ends_one, kPatience));
  for (int i = 0; i < 3; ++i) {
    const int before = flood.finished();
    EXPECT_EQ(Ask(json::object(), "two").status, 200);
    // Each of the other's may wait for one of the flood to be served alike.
    EXPECT_LE(flood.finished() - before, kAtWorker) << i;
    EXPECT_LT(flood.finished(), kFlood);
  }
}

TEST_F(AdmissionTest, PriorityOvertakesInTheQueueAndIsTimed) {
  Serve();
  Flood flood(server_->port());
  ASSERT_TRUE(AwaitQueue(kFlood / 2));
  const int before = flood.finished();
  const HttpReply low = Ask({{"priority", -1}, {"baton", {{"timings", true}}}});
  ASSERT_EQ(low.status, 200) << low.body;
  EXPECT_LE(flood.finished() - before, kAtWorker);
  const json timings = json::parse(low.body)["baton"];
  EXPECT_GT(timings["admission_ms"], 0);
  EXPECT_LE(timings["admission_ms"], timings["ttft_ms"]);
}

TEST_F(AdmissionTest, RefusesAtOnceWhatCannotKeepItsSloAndSaysWhenToAskAgain) {
  Serve({"router.overload=refuse"});
  Flood flood(server_->port());
  ASSERT_TRUE(AwaitQueue(kFlood / 2));
  // Sooner than any worker prefills, even should one have just become free.
  const HttpReply refused = Ask({{"baton", {{"ttft_slo_ms", 0.001}}}});
  EXPECT_EQ(refused.status, 429);
  EXPECT_GE(std::stoi("0" + refused.Header("retry-after")), 1);
  const json error = json::parse(refused.body)["error"];
  EXPECT_EQ(error["type"], "rate_limit_error");
  EXPECT_EQ(error["code"], "slo_unattainable");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("later than within 0.001 ms"));
  EXPECT_LT(flood.finished(), kFlood);
  EXPECT_EQ(server_->Metric("baton_refusals_total", {R"(reason="slo_unattainable")"}), 1);
}

TEST_F(AdmissionTest, ServesWhatCannotKeepItsSloBehindTheOthersByDefault) {
  Serve();
  Flood flood(server_->port());
  ASSERT_TRUE(AwaitQueue(kFlood / 2));
  EXPECT_EQ(Ask({{"baton", {{"ttft_slo_ms", 0.001}}}}).status, 200);
  EXPECT_GT(flood.finished(), kFlood - kAtWorker);
  // Who wishes for nothing is not refused.
  EXPECT_EQ(flood.Join(), kFlood);
  EXPECT_EQ(Queued(), 0);
}

TEST_F(AdmissionTest, RefusesMoreThanMayWait) {
  Serve({"limits.queued_completions=10"});
  Flood flood(server_->port());
  ASSERT_TRUE(ServedBaton::Until(
      [&] { return server_->Metric("baton_refusals_total", {R"(reason="queue_full")"}) > 0; },
      kPatience));
  EXPECT_LE(Queued(), 10);
  EXPECT_GT(flood.Join(), 10);
  EXPECT_LT(flood.finished(), kFlood);
}

TEST_F(AdmissionTest, AClientThatGoesAwayGivesUpItsPlaceInTheQueue) {
  Serve();
  Flood flood(server_->port());
  ASSERT_TRUE(AwaitQueue(kFlood / 2));
  {
    HttpClient gone(server_->port(), kPatience);
    gone.Send("POST", kText, TextBody({{"priority", 5}}).dump());
    ASSERT_TRUE(ServedBaton::Until([&] { return Queued({R"(priority="low")"}) == 1; }, kPatience));
  }
  EXPECT_TRUE(ServedBaton::Until([&] { return Queued({R"(priority="low")"}) == 0; }, kPatience));
  EXPECT_EQ(server_->Metric("baton_router_requests_total", {R"(outcome="Cancelled")"}), 1);
  EXPECT_LT(flood.finished(), kFlood);
}

TEST_F(AdmissionTest, AStreamInTheQueueIsKeptAlive) {
  Serve({"timeouts.keep_alive=50ms"});
  Flood flood(server_->port());
  ASSERT_TRUE(AwaitQueue(kFlood / 2));
  HttpClient client(server_->port(), kPatience);
  client.Send("POST", kText, TextBody({{"stream", true}, {"priority", 1}}).dump());
  EXPECT_EQ(client.ReadHead().status, 200);
  const auto event = client.NextEvent();
  ASSERT_TRUE(event);
  EXPECT_NE(event->comment, "");
  EXPECT_EQ(client.AllEvents().back(), "[DONE]");
}

TEST_F(AdmissionTest, RequestsWaitWhileTheOnlyWorkerIsStartedAgain) {
  Serve();
  const pid_t worker = server_->WorkerPid("m0");
  ASSERT_GT(worker, 0);
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(ServedBaton::Until([&] { return HttpGet(server_->port(), "/readyz").status == 503; },
                                 kPatience));
  EXPECT_EQ(Ask().status, 200);
}

}  // namespace
}  // namespace baton::test
