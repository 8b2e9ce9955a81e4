#include "baton/config/edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_file.h"

namespace baton::config {
namespace {

using testing::MatchesRegex;

/// A deployment with `more` lines of YAML.
Loaded Of(const std::string& more, std::vector<std::string> environment = {}) {
  const Result<Loaded> loaded = Load("model: /m\n" + more, std::move(environment));
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *loaded : Loaded{};
}

TEST(Edit, TellsEachKeyThatHasAnotherValue) {
  const auto changes = ChangesBetween(
      Of("log_level: info\nrouter: {policy: cost}\n"),
      Of("log_level: debug\nrouter: {policy: least_loaded, slo_ttft: 250ms, port: 8000}\n"));
  EXPECT_EQ(DescribeChanges(changes),
            "log_level is debug, was info; router.policy is least_loaded, was cost; "
            "router.slo_ttft is 250ms, was 0");
}

TEST(Edit, OfAKeyThatTheEnvironmentSetsChangesNothing) {
  const std::vector<std::string> environment{"BATON_ROUTER_POLICY=cost"};
  EXPECT_TRUE(ChangesBetween(Of("router: {policy: cost}\n", environment),
                             Of("router: {policy: round_robin}\n", environment))
                  .empty());
}

TEST(Edit, IsTakenWhereRolesChangeAndTheNumberOfWorkersDoesNot) {
  EXPECT_TRUE(CheckLive(Of("workers: {prefill: {count: 2}, decode: {count: 2}}\n"),
                        Of("workers: {prefill: {count: 3}, decode: {count: 1}}\n"))
                  .ok());
}

TEST(Edit, IsRefusedWithEveryKeyThatNeedsARestart) {
  const Status status =
      CheckLive(Of(""), Of("engine: {step_tokens: 64}\nrouter: {policy: round_robin, threads: 3}\n"
                           "workers: {prefill: {count: 1}, decode: {count: 2}}\n"));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      status.message(),
      MatchesRegex(
          ".*/baton.yaml:3:40: router.threads needs a restart: it is 2 and would be 3\n"
          ".*/baton.yaml:2:23: engine.step_tokens needs a restart: it is 512 and would be "
          "64\n"
          "workers.*.count needs a restart: there are 2 workers and would be 3; only their roles "
          "change while they run"));
}

}  // namespace
}  // namespace baton::config
