#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "support/http_client.h"
#include "support/load.h"
#include "support/served_baton.h"

/// Roles that follow the load while they serve.
namespace baton::test {
namespace {

using std::chrono::seconds;

/// Takes the router's ratio from its file while the server runs.
void SetRatio(const ServedBaton& server, const std::string& from, const std::string& to) {
  std::ostringstream text;
  text << std::ifstream(server.config_file()).rdbuf();
  std::string yaml = text.str();
  const size_t at = yaml.find(from);
  ASSERT_NE(at, std::string::npos) << yaml;
  yaml.replace(at, from.size(), to);
  const std::string next = server.config_file() + ".next";
  std::ofstream(next) << yaml;
  std::filesystem::rename(next, server.config_file());
}

/// Long prompts and short outputs, none of which share a prefix: nearly all work is prefill.
std::vector<CompletionBody> LongPrompts(int count) {
  std::vector<CompletionBody> bodies = RandomCompletions(41, count, 200);
  for (size_t i = 0; i < bodies.size(); ++i) {
    bodies[i].prompt = std::to_string(i) + " " + bodies[i].prompt;
    bodies[i].max_tokens = 8;
    bodies[i].ignore_eos = bodies[i].stream = true;
    bodies[i].greedy = i % 2 == 0;
    bodies[i].seed = i;
  }
  return bodies;
}

double Changes(const ServedBaton& server) {
  return server.Metric("baton_ratio_moves_total", {"outcome=\"done\""});
}

/// This policy hands every prompt over, so that of a pair one worker has nearly all to do and two
/// mixed ones could serve about twice as much, however fast the machine is; and never less.
TEST(Ratio, FollowsALoadOfLongPromptsWithoutAFailedRequestOrAnotherToken) {
  ServedBaton server({.policy = "least_loaded, ratio_dwell: 2s, ratio: fixed"});
  ASSERT_TRUE(server.WaitReady());
  const std::vector<CompletionBody> bodies = LongPrompts(400);
  const std::vector<Outcome> undisturbed = CompleteAll(server.port(), bodies, 8);
  EXPECT_EQ(server.Metric("baton_role_changes_total"), 0);

  SetRatio(server, "ratio: fixed", "ratio: auto");
  for (int round = 0; round < 50 && Changes(server) == 0; ++round) {
    const std::vector<Outcome> outcomes = CompleteAll(server.port(), bodies, 8);
    ASSERT_EQ(outcomes.size(), undisturbed.size());
    for (size_t i = 0; i < outcomes.size(); ++i) {
      EXPECT_TRUE(outcomes[i].complete) << outcomes[i].status << " " << outcomes[i].error;
      EXPECT_EQ(outcomes[i].text, undisturbed[i].text);
    }
  }
  EXPECT_EQ(server.Metric("baton_worker_role", {"role=\"mixed\""}), 2) << server.log();

  // It stays so, whatever comes of the same kind.
  for (int round = 0; round < 3; ++round) CompleteAll(server.port(), bodies, 8);
  EXPECT_EQ(Changes(server), 1) << server.log();
  EXPECT_TRUE(server.WaitLog("2 mixed can serve")) << server.log();
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

TEST(Ratio, LeavesRolesToTheOperatorOnlyWhileItIsFixed) {
  ServedBaton server({.policy = "least_loaded, ratio: auto"});
  ASSERT_TRUE(server.WaitReady());
  const HttpReply refused = HttpPost(server.port(), "/scale", R"({"mixed":2})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_NE(refused.body.find("router.ratio: fixed"), std::string::npos) << refused.body;
  EXPECT_EQ(HttpPost(server.port(), "/scale", R"({"mixed":2,"dry_run":true})").status, 200);
  SetRatio(server, "ratio: auto", "ratio: fixed");
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return HttpPost(server.port(), "/scale", R"({"mixed":2})").status == 200; },
      seconds(60)))
      << server.log();
}

}  // namespace
}  // namespace baton::test
