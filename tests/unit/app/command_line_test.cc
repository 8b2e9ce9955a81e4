#include "baton/app/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/app/commands.h"

namespace baton::app {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

CommandLine Parse(const std::vector<std::string>& arguments) {
  const auto parsed = ParseCommandLine(arguments);
  if (const Usage* usage = std::get_if<Usage>(&parsed)) {
    ADD_FAILURE() << usage->text;
    return {};
  }
  return std::get<CommandLine>(parsed);
}

Usage UsageOf(const std::vector<std::string>& arguments) {
  const auto parsed = ParseCommandLine(arguments);
  const Usage* usage = std::get_if<Usage>(&parsed);
  if (usage == nullptr) ADD_FAILURE() << "parsed";
  return usage == nullptr ? Usage{} : *usage;
}

TEST(CommandLine, PutsShortFlagsBehindSets) {
  const CommandLine line = Parse({"serve", "--port", "9000", "--config", "f.yaml", "--set",
                                  "router.port=1", "--set", "a=b=c"});
  EXPECT_EQ(line.verb, Verb::kServe);
  EXPECT_EQ(line.sources.file, "f.yaml");
  std::vector<std::string> overrides;
  for (const auto& item : line.sources.command_line) {
    overrides.push_back(item.path + "|" + item.value + "|" + item.where);
  }
  EXPECT_THAT(overrides, ElementsAre("router.port|1|--set router.port", "a|b=c|--set a",
                                     "router.port|9000|--port"));
}

TEST(CommandLine, ReadsAWorkersFlags) {
  const CommandLine line = Parse({"worker", "--role", "decode", "--name", "d7", "--listen",
                                  "127.0.0.1:0", "--threads", "3", "--cores", "0-2"});
  EXPECT_EQ(line.verb, Verb::kWorker);
  EXPECT_EQ(line.workers[0].role, Role::kDecode);
  EXPECT_EQ(line.workers[0].name, "d7");
  EXPECT_EQ(line.workers[0].listen, "127.0.0.1:0");
  EXPECT_EQ(line.workers[0].threads, 3);
  EXPECT_EQ(line.workers[0].cores, "0-2");
}

TEST(CommandLine, ReadsTheFlagsOfBothWorkersInOrder) {
  const CommandLine line = Parse({"worker", "--role", "both", "--name", "p0", "--name", "d0",
                                  "--threads", "1", "--threads", "2"});
  ASSERT_EQ(line.workers.size(), 2U);
  EXPECT_EQ(line.workers[0].role, Role::kPrefill);
  EXPECT_EQ(line.workers[0].name, "p0");
  EXPECT_EQ(line.workers[1].role, Role::kDecode);
  EXPECT_EQ(line.workers[1].name, "d0");
  EXPECT_EQ(line.workers[1].threads, 2);
  EXPECT_THAT(UsageOf({"worker", "--role", "both", "--name", "p0"}).text,
              HasSubstr("--name is given 1 times; with --role both give it twice"));
}

TEST(CommandLine, ServesClientsAtOneWorkerOnly) {
  EXPECT_EQ(Parse({"worker", "--role", "decode", "--http", "0.0.0.0:8000"}).worker_http,
            "0.0.0.0:8000");
  EXPECT_THAT(UsageOf({"worker", "--role", "both", "--http", "0.0.0.0:8000"}).text,
              HasSubstr("--http is for one worker in a process"));
}

TEST(CommandLine, SpellsInsecureAsTheKeysOfItsCommand) {
  const auto paths = [](const CommandLine& line) {
    std::vector<std::string> found;
    for (const auto& item : line.sources.command_line) found.push_back(item.path + item.value);
    return found;
  };
  EXPECT_THAT(paths(Parse({"serve", "--insecure"})),
              ElementsAre("router.insecuretrue", "workers.insecuretrue"));
  EXPECT_THAT(paths(Parse({"router", "--insecure"})), ElementsAre("router.insecuretrue"));
  EXPECT_THAT(paths(Parse({"worker", "--role", "mixed", "--insecure"})),
              ElementsAre("workers.insecuretrue"));
}

TEST(CommandLine, ReadsTheFlagsOfAWorkersNodes) {
  const CommandLine leader =
      Parse({"worker", "--role", "decode", "--node-rank=0", "--nodes-listen", "0.0.0.0:7001"});
  EXPECT_EQ(leader.workers[0].nodes_listen, "0.0.0.0:7001");
  const CommandLine other =
      Parse({"worker", "--role", "decode", "--node-rank=3", "--leader=d-0.d.baton:7001"});
  EXPECT_EQ(other.workers[0].node_rank, 3);
  EXPECT_EQ(other.workers[0].leader, "d-0.d.baton:7001");
  EXPECT_THAT(
      UsageOf({"worker", "--role", "decode", "--node-rank", "1", "--http", "0.0.0.0:8000"}).text,
      HasSubstr("--http is for node 0"));
  EXPECT_THAT(UsageOf({"worker", "--role", "both", "--leader", "h:1"}).text,
              HasSubstr("--role both is one process"));
}

TEST(CommandLine, CollectsARoutersWorkers) {
  const CommandLine line = Parse({"router", "--worker", "p0=h:1", "--worker", "d0=h:2"});
  EXPECT_THAT(line.router_workers, ElementsAre("p0=h:1", "d0=h:2"));
}

TEST(CommandLine, AnswersHelpOnEachLevelWithCodeZero) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"serve", "--help"},
                                             {"router", "-h"},
                                             {"worker", "--help"},
                                             {"doctor", "--help"},
                                             {"bench", "--help"},
                                             {"--help-all"},
                                             {"--version"}}) {
    const Usage usage = UsageOf(arguments);
    EXPECT_EQ(usage.exit_code, kExitOk) << arguments.back();
    EXPECT_NE(usage.text, "");
  }
}

TEST(CommandLine, NamesAllCommandsInItsHelp) {
  EXPECT_THAT(
      UsageOf({"--help"}).text,
      AllOf(HasSubstr("serve"), HasSubstr("router"), HasSubstr("worker"), HasSubstr("bench"),
            HasSubstr("doctor"), HasSubstr("keys"), HasSubstr("version")));
}

TEST(CommandLine, RefusesWhatItDoesNotKnowWithCodeTwo) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"sreve"},
                                             {"serve", "--prot", "1"},
                                             {"serve", "stray"},
                                             {"worker"},
                                             {"worker", "--role", "prefil"},
                                             {"worker", "--role", "mixed", "--threads", "0"},
                                             {"serve", "--set", "router.port"},
                                             {"serve", "--port"},
                                             {"scale"},
                                             {"bench", "--rate", "-1"},
                                             {"bench", "--rate", "1", "--concurrency", "1"}}) {
    EXPECT_EQ(UsageOf(arguments).exit_code, kExitUsage);
  }
}

TEST(CommandLine, ReadsABenchmarksFlags) {
  const BenchFlags flags =
      Parse({"bench", "--url", "http://h:1", "--rate", "2.5", "--header", "A: b", "--header",
             "C: d", "--slo", "500:50", "--slo", "200:20", "--goodput", "--html", "r.html"})
          .bench;
  EXPECT_EQ(flags.server.url, "http://h:1");
  EXPECT_EQ(flags.rate, 2.5);
  EXPECT_THAT(flags.server.headers, ElementsAre("A: b", "C: d"));
  EXPECT_THAT(flags.slos, ElementsAre("500:50", "200:20"));
  EXPECT_TRUE(flags.goodput);
  EXPECT_EQ(flags.html, "r.html");
}

TEST(CommandLine, NamesTheRolesWhenARoleIsWrong) {
  EXPECT_THAT(UsageOf({"worker", "--role", "prefil"}).text,
              AllOf(HasSubstr("prefill"), HasSubstr("decode"), HasSubstr("mixed")));
}

TEST(CommandLine, ScaleTakesCountsOfRoles) {
  const auto parsed = ParseCommandLine(
      {"scale", "prefill=3", "decode=1", "--dry-run", "--url", "http://h:1", "--drain", "5"});
  const auto* line = std::get_if<CommandLine>(&parsed);
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->verb, Verb::kScale);
  EXPECT_EQ(line->scale.counts, (std::vector<std::string>{"prefill=3", "decode=1"}));
  EXPECT_EQ(line->scale.url, "http://h:1");
  EXPECT_TRUE(line->scale.dry_run);
  EXPECT_EQ(line->scale.drain_s, 5);
}

}  // namespace
}  // namespace baton::app
