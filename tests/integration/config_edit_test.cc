#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "support/load.h"
#include "support/served_baton.h"

/// Edits of the YAML file of a server that runs.
namespace baton::test {
namespace {

using std::chrono::seconds;

/// Replaces the first text of each pair in the server's file, all at once.
void Edit(const ServedBaton& server,
          const std::vector<std::pair<std::string, std::string>>& changes) {
  std::ostringstream text;
  text << std::ifstream(server.config_file()).rdbuf();
  std::string yaml = text.str();
  for (const auto& [from, to] : changes) {
    const size_t at = yaml.find(from);
    ASSERT_NE(at, std::string::npos) << yaml;
    yaml.replace(at, from.size(), to);
  }
  const std::string next = server.config_file() + ".next";
  std::ofstream(next) << yaml;
  std::filesystem::rename(next, server.config_file());
}

bool Reloads(const ServedBaton& server, const std::string& outcome, double count) {
  return ServedBaton::Until(
      [&] {
        return server.Metric("baton_config_reloads_total", {"outcome=\"" + outcome + "\""}) ==
               count;
      },
      seconds(60));
}

TEST(ConfigEdit, ChangesRolesUnderLoadWithoutAFailedRequest) {
  ServedBaton server({.prefill = 1, .decode = 2});
  ASSERT_TRUE(server.WaitReady());
  std::vector<CompletionBody> bodies = RandomCompletions(29, 120, 60);
  for (CompletionBody& body : bodies) body.stream = body.ignore_eos = true;
  const std::vector<Outcome> undisturbed = CompleteAll(server.port(), bodies, 8);

  std::vector<Outcome> outcomes;
  std::thread load([&] { outcomes = CompleteAll(server.port(), bodies, 8); });
  Edit(server,
       {{"prefill: {count: 1", "prefill: {count: 2"}, {"decode: {count: 2", "decode: {count: 1"}});
  EXPECT_TRUE(Reloads(server, "applied", 1)) << server.log();
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return server.Metric("baton_role_changes_total", {"reason=\"configuration\""}) == 1; },
      seconds(60)))
      << server.log();
  load.join();

  ASSERT_EQ(outcomes.size(), undisturbed.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_TRUE(outcomes[i].complete) << outcomes[i].status << " " << outcomes[i].error;
    EXPECT_EQ(outcomes[i].text, undisturbed[i].text);
  }
}

TEST(ConfigEdit, IsTakenWholeOrNotAtAll) {
  ServedBaton server({.yaml = "limits: {concurrent_requests: 100, connections: 500}\n"});
  ASSERT_TRUE(server.WaitReady());
  Complete(server.port(), {.prompt = "a"});
  EXPECT_EQ(server.Metric("baton_slo_requests_total"), 0);

  Edit(server, {{"policy: least_loaded}", "policy: cost, slo_ttft: 1h, threads: 9}"}});
  EXPECT_TRUE(Reloads(server, "refused", 1)) << server.log();
  EXPECT_TRUE(server.WaitLog("router.threads needs a restart")) << server.log();
  Complete(server.port(), {.prompt = "a"});
  EXPECT_EQ(server.Metric("baton_slo_requests_total"), 0);

  Edit(server, {{", threads: 9}", "}"}});
  EXPECT_TRUE(Reloads(server, "applied", 1)) << server.log();
  EXPECT_TRUE(server.WaitLog("router.policy is cost, was least_loaded; router.slo_ttft is 1h"))
      << server.log();
  EXPECT_EQ(Complete(server.port(), {.prompt = "a"}).status, 200);
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return server.Metric("baton_slo_requests_total", {"slo=\"ttft\""}) == 1; },
      seconds(60)));
}

}  // namespace
}  // namespace baton::test
