#include <thread>

#include <gtest/gtest.h>
#include <signal.h>

#include "support/http_client.h"
#include "support/load.h"
#include "support/served_baton.h"

/// Workers that take other roles while they serve.
namespace baton::test {
namespace {

using std::chrono::seconds;

std::vector<CompletionBody> Streams(int count) {
  std::vector<CompletionBody> bodies = RandomCompletions(23, count, 120);
  for (size_t i = 0; i < bodies.size(); ++i) {
    bodies[i].max_tokens = 60;
    bodies[i].ignore_eos = true;
    bodies[i].stream = true;
    bodies[i].greedy = i % 2 == 0;
    bodies[i].seed = i;
  }
  return bodies;
}

HttpReply Post(const ServedBaton& server, const std::string& body) {
  return HttpPost(server.port(), "/scale", body);
}

bool HasRole(const ServedBaton& server, const std::string& worker, const std::string& role) {
  return server.Metric("baton_worker_role",
                       {"worker=\"" + worker + "\"", "role=\"" + role + "\""}) == 1;
}

/// Asks for roles and waits until they are there.
bool Scale(const ServedBaton& server, const std::string& body) {
  if (Post(server, body).status != 200) return false;
  return ServedBaton::Until(
      [&] {
        const std::string state = HttpGet(server.port(), "/scale/state").body;
        return state.find("\"under_way\":false") != std::string::npos &&
               state.find("\"error\":null") != std::string::npos;
      },
      seconds(60));
}

TEST(Scale, ChangesRolesUnderLoadWithoutAFailedRequestOrAnotherToken) {
  ServedBaton server({.prefill = 2, .decode = 2});
  ASSERT_TRUE(server.WaitReady());
  const std::vector<CompletionBody> bodies = Streams(360);
  const std::vector<Outcome> undisturbed = CompleteAll(server.port(), bodies, 12);

  std::vector<Outcome> outcomes;
  std::thread load([&] { outcomes = CompleteAll(server.port(), bodies, 12); });
  const double before = server.Metric("baton_router_output_tokens_total");
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return server.Metric("baton_router_output_tokens_total") > before + 200; },
      seconds(60)));
  EXPECT_TRUE(Scale(server, R"({"prefill":3,"decode":1})")) << server.log();
  EXPECT_TRUE(Scale(server, R"({"prefill":1,"decode":3})")) << server.log();
  EXPECT_TRUE(Scale(server, R"({"prefill":1,"decode":2,"mixed":1})")) << server.log();
  load.join();

  ASSERT_EQ(outcomes.size(), undisturbed.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_TRUE(outcomes[i].complete) << outcomes[i].status << " " << outcomes[i].error;
    EXPECT_EQ(outcomes[i].text, undisturbed[i].text);
  }
  EXPECT_EQ(server.Metric("baton_role_changes_total"), 4);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

/// While one of both changes, the other serves alone.
TEST(Scale, ChangesAPairUnderLoadWithoutAFailedRequestOrAnotherToken) {
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  const std::vector<CompletionBody> bodies = Streams(240);
  const std::vector<Outcome> undisturbed = CompleteAll(server.port(), bodies, 8);

  std::vector<Outcome> outcomes;
  std::thread load([&] { outcomes = CompleteAll(server.port(), bodies, 8); });
  EXPECT_TRUE(Scale(server, R"({"mixed":2})")) << server.log();
  EXPECT_TRUE(Scale(server, R"({"prefill":1,"decode":1})")) << server.log();
  load.join();

  ASSERT_EQ(outcomes.size(), undisturbed.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_TRUE(outcomes[i].complete) << outcomes[i].status << " " << outcomes[i].error;
    EXPECT_EQ(outcomes[i].text, undisturbed[i].text);
  }
  EXPECT_EQ(server.Metric("baton_role_changes_total"), 4);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

TEST(Scale, RefusesWhatCannotBeAndChangesNothing) {
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  EXPECT_EQ(Post(server, R"({"prefill":3,"decode":1})").status, 400);
  EXPECT_EQ(Post(server, R"({"prefil":1,"decode":1})").status, 400);
  EXPECT_EQ(Post(server, R"({"prefill":1,"decode":1,"dry_run":true})").status, 200);
  EXPECT_EQ(server.Metric("baton_role_changes_total"), 0);
  EXPECT_TRUE(HasRole(server, "p0", "prefill"));
}

TEST(Scale, GivesAWorkerThatIsStartedAgainTheRoleThatItHad) {
  ServedBaton server({.prefill = 1, .decode = 2});
  ASSERT_TRUE(server.WaitReady());
  // Ready is a fleet with the first of them.
  for (const char* worker : {"d0", "d1"}) {
    ASSERT_TRUE(ServedBaton::Until([&] { return HasRole(server, worker, "decode"); }, seconds(30)));
  }
  ASSERT_TRUE(Scale(server, R"({"prefill":2,"decode":1})")) << server.log();
  const std::string changed = HasRole(server, "d0", "prefill") ? "d0" : "d1";
  const pid_t pid = server.WorkerPid(changed);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return server.WorkerPid(changed) > 0 && server.WorkerPid(changed) != pid; },
      seconds(30)));
  EXPECT_TRUE(ServedBaton::Until([&] { return HasRole(server, changed, "prefill"); }, seconds(30)))
      << server.log();
}

}  // namespace
}  // namespace baton::test
