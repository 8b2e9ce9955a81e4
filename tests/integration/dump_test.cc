#include <algorithm>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "support/held_thread.h"
#include "support/http_client.h"
#include "support/served_baton.h"

/// What is under way is in the log of every process when it is asked for, and when one is stuck.
namespace baton::test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr char kPrompt[] = "Nobody may read of the heron in a log";

class Dump : public testing::Test {
 protected:
  void Serve(const ServedOptions& options) {
    server_ = std::make_unique<ServedBaton>(options);
    ASSERT_TRUE(server_->WaitReady());
  }
  /// A stream as long as the model's context; its first event has come.
  std::unique_ptr<HttpClient> Stream() {
    auto client = std::make_unique<HttpClient>(server_->port());
    EXPECT_TRUE(client->Send("POST", "/v1/completions",
                             std::string(R"({"stream":true,"ignore_eos":true,"max_tokens":1900,)") +
                                 R"("prompt":")" + kPrompt + "\"}",
                             {{"content-type", "application/json"}}));
    EXPECT_EQ(client->ReadHead().status, 200);
    EXPECT_TRUE(client->NextEvent().has_value());
    return client;
  }
  /// Waits until some line of the log contains all of `parts`.
  bool AwaitLine(const std::vector<std::string>& parts, Duration patience = seconds(30)) const {
    return ServedBaton::Until(
        [&] {
          std::istringstream lines(server_->log());
          for (std::string line; std::getline(lines, line);) {
            const auto has = [&](const std::string& part) {
              return line.find(part) != std::string::npos;
            };
            if (std::all_of(parts.begin(), parts.end(), has)) return true;
          }
          return false;
        },
        patience);
  }

  std::unique_ptr<ServedBaton> server_;
};

TEST_F(Dump, TellsOfEveryRequestAndHandoffWhenAsked) {
  Serve({});

  // A process dumps within a second: on a fast host the stream may have ended by then.
  const bool seen = ServedBaton::Until(
      [&] {
        const auto client = Stream();
        server_->Signal(SIGUSR1);
        return AwaitLine({"[router", "dump: request=cmpl-", "stage=decode", "age_s=", "worker=d0",
                          "prefill=p0"},
                         seconds(2)) &&
               AwaitLine({"[d0", "dump: request=cmpl-", "prefill=p0", "stage=running", "blocks="},
                         seconds(2));
      },
      seconds(30));

  EXPECT_TRUE(seen) << server_->log();
  for (const char* process : {"[router", "[p0", "[d0"}) {
    EXPECT_TRUE(AwaitLine({process, "dump: end"})) << process;
  }
  EXPECT_THAT(server_->log(), Not(HasSubstr("heron")));
  EXPECT_EQ(HttpGet(server_->port(), "/livez").status, 200);
}

TEST_F(Dump, TellsOfEveryRequestBeforeAWorkerThatIsStuckEnds) {
  Serve({.yaml = "timeouts: {worker_progress: 2s}\n"});
  const pid_t pid = server_->WorkerPid("d0");
  const auto client = Stream();

  const HeldThread engine(pid, "engine");
  if (!engine.held()) GTEST_SKIP() << engine.why();

  EXPECT_TRUE(AwaitLine({"[d0", "dump: the engine thread does not say what it is at"}, seconds(60)))
      << server_->log();
  // Whoever notices first: the router says what it calls off, and then the worker has it no more.
  const bool told = ServedBaton::Until(
      [&] {
        return AwaitLine({"[d0", "dump: request=cmpl-", "stage=unknown"}, seconds(0)) ||
               AwaitLine({"[router", "worker d0 is stuck with request=cmpl-"}, seconds(0));
      },
      seconds(30));
  EXPECT_TRUE(told) << server_->log();
}

}  // namespace
}  // namespace baton::test
