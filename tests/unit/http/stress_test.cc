#include <atomic>
#include <thread>
#include <vector>

#include "baton/base/random.h"
#include "server_fixture.h"

namespace baton::http {
namespace {

constexpr int kClients = 8;
constexpr int kRequestsPerClient = 40;
constexpr int kWorkers = 3;

/// Answers requests from threads of its own, as the router's workers do.
class StressTest : public ServerTest {
 protected:
  void StartWorkers() {
    backend.script = [this](Started started) { EXPECT_TRUE(queue_.TrySend(std::move(started))); };
    for (int i = 0; i < kWorkers; ++i)
      workers_.emplace_back([this] {
        while (!stopping_) {
          auto started = queue_.Receive(std::chrono::milliseconds(20));
          if (!started) continue;
          started->Route("local=d0");
          started->Text(std::string(20, 'x'), FinishReason::kLength);
        }
      });
  }
  void StopWorkers() {
    stopping_ = true;
    for (std::thread& worker : workers_) worker.join();
  }

  Mailbox<Started> queue_{4096};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

/// One request that is read to its end, or left at some point.
void Exercise(uint16_t port, Random& random) {
  const bool stream = random.Below(2) == 0;
  HttpClient client(port);
  client.Send("POST", "/v1/completions", json{{"prompt", {"a", "b"}}, {"stream", stream}}.dump());
  switch (random.Below(4)) {
    case 0: return client.Close(true);
    case 1: return;
    case 2:
      if (stream) client.ReadHead();
      return;
    default: break;
  }
  if (!stream) {
    EXPECT_EQ(client.ReadReply().status, 200);
    return;
  }
  EXPECT_EQ(client.ReadHead().status, 200);
  EXPECT_EQ(client.AllEvents().back(), "[DONE]");
}

TEST_F(StressTest, ManyClientsThatComeAndGoLeaveNothingRunning) {
  StartServer();
  StartWorkers();
  std::vector<std::thread> clients;
  for (uint64_t seed = 0; seed < kClients; ++seed)
    clients.emplace_back([this, seed] {
      Random random(seed);
      for (int i = 0; i < kRequestsPerClient; ++i) Exercise(server->port(), random);
    });
  for (std::thread& client : clients) client.join();

  EXPECT_TRUE(server->Drain());
  server->Stop();
  StopWorkers();
}

TEST_F(StressTest, StopsUnderLoad) {
  StartServer();
  StartWorkers();
  std::atomic<bool> stopped{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i)
    clients.emplace_back([&, port = server->port()] {
      while (!stopped) {
        HttpClient client(port);
        client.Send("POST", "/v1/completions", R"({"prompt":"a","stream":true})");
        client.ReadHead();
        client.AllEvents();
      }
    });
  Stream("/v1/completions", {{"prompt", "a"}, {"stream", true}});

  server->Stop();
  stopped = true;
  for (std::thread& client : clients) client.join();
  StopWorkers();
  EXPECT_FALSE(HttpClient(server->port()).connected());
}

}  // namespace
}  // namespace baton::http
