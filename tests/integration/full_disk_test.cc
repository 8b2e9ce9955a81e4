#include <gtest/gtest.h>
#include <signal.h>

#include "support/http_client.h"
#include "support/load.h"
#include "support/served_baton.h"

/// The log's disk is full: everything is served and restarted all the same.
namespace baton::test {
namespace {

bool Serves(const ServedBaton& server) {
  return ServedBaton::Until(
      [&] {
        const Outcome outcome = Complete(server.port(), {.prompt = "the sea", .max_tokens = 4});
        return outcome.complete && outcome.error.empty();
      },
      std::chrono::seconds(60));
}

TEST(FullDisk, FromTheStartStopsNoRequestAndNoRestart) {
  // All that is printed goes to a device that is always full.
  ServedBaton server({.output = "/dev/full", .arguments = {"--log-level", "debug"}});
  ASSERT_GT(server.port(), 0);
  ASSERT_TRUE(Serves(server));
  const pid_t victim = server.WorkerPid("p0");
  ASSERT_EQ(kill(victim, SIGKILL), 0);
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return server.WorkerPid("p0") > 0 && server.WorkerPid("p0") != victim; },
      std::chrono::seconds(30)));
  EXPECT_TRUE(Serves(server));
  EXPECT_TRUE(server.WaitIdle());
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitExit(), 0);
}

}  // namespace
}  // namespace baton::test
