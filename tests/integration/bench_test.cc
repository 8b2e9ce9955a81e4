#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "baton/access/digest.h"
#include "support/certificates.h"
#include "support/free_port.h"
#include "support/http_client.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

extern char** environ;

/// `baton bench` against a `baton serve`.
namespace baton::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

struct Outcome {
  int exit_code = -1;
  /// Standard output and error.
  std::string text;
};

Outcome RunBench(const std::string& arguments) {
  const std::string command = BATON_BINARY_DIR "/bin/baton bench " + arguments + " 2>&1";
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  for (size_t bytes = 0; (bytes = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.text.append(buffer.data(), bytes);
  }
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

class Bench : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.WaitReady()); }

  std::string url() const { return "--url http://127.0.0.1:" + std::to_string(server_.port()); }
  std::string Path(const std::string& name) const { return folder_.path() / name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }
  json ReadJson(const std::string& name) const {
    std::ifstream in(Path(name));
    return json::parse(in);
  }
  /// What a benchmark with these arguments writes.
  json Measure(const std::string& arguments) {
    const Outcome outcome =
        RunBench(url() + " " + arguments + " --json " + Path("r.json") + " --records");
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
    return ReadJson("r.json");
  }

  testing_support::TemporaryFolder folder_;
  ServedBaton server_;
};

void ExpectOrdered(const json& summary) {
  EXPECT_GT(summary["count"], 0);
  EXPECT_GT(summary["mean"], 0.0);
  double last = 0;
  for (const char* name : {"p50", "p90", "p95", "p99", "max"}) {
    EXPECT_GE(summary[name], last) << summary;
    last = summary[name];
  }
}

TEST_F(Bench, CountsWhatItAskedFor) {
  const json report = Measure(
      "--rate 50 --requests 20 --warmup 2 --prompt-tokens 40 --output-tokens 12 --slo 1e6:1e6");
  const json& run = report["run"];
  EXPECT_EQ(run["requests"], json::parse(R"({"done": 20, "failed": 0, "cancelled": 0})"));
  EXPECT_EQ(run["errors"], json::array());
  // Random words have exactly the asked tokens, by the server's own tokenizer.
  EXPECT_EQ(run["tokens"], json::parse(R"({"prompt": 800, "output": 240, "counted_by": "usage"})"));
  EXPECT_EQ(run["slos"][0]["attainment"]["both"], 1);
  for (const char* name : {"ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"}) ExpectOrdered(run[name]);
}

TEST_F(Bench, RecordsAddUpToWhatIsReported) {
  const json report = Measure("--concurrency 3 --requests 12 --endpoint chat --output-tokens 4-9");
  int64_t prompt = 0, output = 0;
  ASSERT_EQ(report["records"].size(), 12U);
  for (const json& record : report["records"]) {
    EXPECT_EQ(record["outcome"], "done");
    EXPECT_EQ(record["output_tokens"], record["asked_output_tokens"]);
    EXPECT_GE(record["sent_ms"], record["due_ms"]);
    EXPECT_GE(record["pieces_ms"].front(), record["sent_ms"]);
    EXPECT_GE(record["end_ms"], record["pieces_ms"].back());
    prompt += record["prompt_tokens"].get<int64_t>();
    output += record["output_tokens"].get<int64_t>();
  }
  EXPECT_EQ(report["run"]["tokens"]["prompt"], prompt);
  EXPECT_EQ(report["run"]["tokens"]["output"], output);
}

TEST_F(Bench, ReplaysTracesOfBothKinds) {
  Write("azure.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,74,4\n"
        "2023-11-16 18:15:47.68,200,7\n");
  json run = Measure("--trace " + Path("azure.csv") + " --time-scale 0.1")["run"];
  EXPECT_EQ(run["tokens"]["prompt"], 274);
  EXPECT_EQ(run["tokens"]["output"], 11);

  Write("mooncake.jsonl",
        R"({"timestamp": 0, "input_length": 1100, "output_length": 50, "hash_ids": [0, 1, 2]})"
        "\n"
        R"({"timestamp": 900, "input_length": 1100, "output_length": 70, "hash_ids": [0, 1, 3]})"
        "\n");
  const double hits = server_.Metric("baton_prefix_hit_tokens_total");
  run = Measure("--trace " + Path("mooncake.jsonl") + " --length-scale 0.1")["run"];
  EXPECT_EQ(run["tokens"]["prompt"], 220);
  EXPECT_EQ(run["tokens"]["output"], 12);
  // Of the second prompt, the first 102 tokens are those of the first.
  const auto counted = [&] { return server_.Metric("baton_prefix_hit_tokens_total") >= hits + 64; };
  EXPECT_TRUE(ServedBaton::Until(counted, std::chrono::seconds(20)));
}

TEST_F(Bench, SendsTheLinesOfAText) {
  Write("lines.txt", "It was a dark night.\nWho are you?\n");
  const json run = Measure("--prompts " + Path("lines.txt") +
                           " --concurrency 2 --requests 4 --output-tokens 3")["run"];
  EXPECT_EQ(run["requests"]["done"], 4);
  EXPECT_EQ(run["tokens"]["output"], 12);
}

TEST_F(Bench, SearchesTheGoodputAndWritesAPage) {
  const Outcome outcome = RunBench(
      url() +
      " --goodput --rate 200 --max-rate 400 --requests 10 --output-tokens 2 --slo 1e6:1e6 " +
      "--json " + Path("g.json") + " --html " + Path("g.html"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  // Everything keeps such an SLO: the search ends at its limit and says so.
  const json goodput = ReadJson("g.json")["goodput"];
  EXPECT_EQ(goodput["slos"][0]["requests_per_s"], 400);
  EXPECT_EQ(goodput["slos"][0]["bounded"], true);
  EXPECT_EQ(goodput["steps"].size(), 2U);
  EXPECT_THAT(outcome.text, HasSubstr("goodput    400 requests/s"));
  EXPECT_GT(std::filesystem::file_size(Path("g.html")), 10'000U);
}

TEST_F(Bench, CountsRefusalsByTheirKind) {
  const Outcome outcome =
      RunBench(url() + " --rate 100 --requests 5 --extra-body '{\"top_p\": 7}' " + "--json " +
               Path("r.json"));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text;
  const json run = ReadJson("r.json")["run"];
  EXPECT_EQ(run["requests"]["failed"], 5);
  EXPECT_EQ(run["errors"][0]["kind"], "http 400");
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("5 x http 400"), HasSubstr("top_p")));
}

TEST_F(Bench, EndsAtASignalWithWhatItMeasured) {
  std::vector<std::string> words = {BATON_BINARY_DIR "/bin/baton",
                                    "bench",
                                    "--url",
                                    "http://127.0.0.1:" + std::to_string(server_.port()),
                                    "--rate",
                                    "20",
                                    "--duration",
                                    "3600",
                                    "--output-tokens",
                                    "2",
                                    "--json",
                                    Path("s.json")};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  ASSERT_EQ(posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ), 0);
  const auto served = [&] { return server_.Metric("baton_e2e_seconds_count") >= 5; };
  EXPECT_TRUE(ServedBaton::Until(served, std::chrono::seconds(60)));
  kill(pid, SIGINT);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const json run = ReadJson("s.json")["run"];
  EXPECT_EQ(run["stopped"], true);
  EXPECT_GE(run["requests"]["done"], 1);
  EXPECT_EQ(run["requests"]["failed"], 0);
}

TEST_F(Bench, NamesTheModelsThatAreServed) {
  const Outcome outcome = RunBench(url() + " --rate 1 --model gpt");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text,
              AllOf(HasSubstr("'gpt'"), HasSubstr("set --model to one of: baton-tiny")));
}

TEST(BenchAlone, SpeaksTlsAndShowsItsKey) {
  const testing_support::TemporaryFolder folder;
  const std::string server_file = folder.path() / "server";
  const std::string keys = folder.path() / "keys";
  const std::string authority_file = folder.path() / "authority.pem";
  const Authority authority("bench");
  authority.Issue("localhost", server_file);
  std::ofstream(authority_file) << authority.certificate();
  std::ofstream(keys) << "key sha256:" << access::ToHex(access::Sha256("secret")) << " name=a\n";
  ServedBaton server({.arguments = {"--set", "router.api_keys=" + keys, "--set",
                                    "router.tls_certificate=" + server_file + ".pem", "--set",
                                    "router.tls_key=" + server_file + ".key"}});
  ASSERT_TRUE(server.WaitReady());
  const std::string target =
      "--url https://127.0.0.1:" + std::to_string(server.port()) + " --rate 20 --requests 4 ";
  const Outcome served = RunBench(target + "--api-key secret --ca-file " + authority_file);
  EXPECT_EQ(served.exit_code, 0) << served.text;
  EXPECT_THAT(served.text, HasSubstr("4 done in"));
  EXPECT_THAT(RunBench(target + "--ca-file " + authority_file).text, HasSubstr("--api-key"));
  const Outcome doubted = RunBench(target + "--api-key secret");
  EXPECT_EQ(doubted.exit_code, 1);
  EXPECT_THAT(doubted.text, HasSubstr("certificate"));
  EXPECT_EQ(RunBench(target + "--api-key secret --insecure-tls").exit_code, 0);
}

TEST(BenchAlone, SaysThatNobodyAnswers) {
  const std::string port = std::to_string(FreePort());
  const Outcome outcome = RunBench("--rate 1 --url http://127.0.0.1:" + port);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("no server answers at http://127.0.0.1:" + port),
                                  HasSubstr("--url")));
}

TEST(BenchAlone, NamesTheWrongLineOfATrace) {
  const testing_support::TemporaryFolder folder;
  const std::string path = folder.path() / "t.csv";
  std::ofstream(path) << "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,many,4\n";
  const Outcome outcome = RunBench("--trace " + path);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text, HasSubstr(path + ":2: ContextTokens is 'many'"));
}

TEST(BenchAlone, ExplainsEveryFlag) {
  const Outcome outcome = RunBench("--help");
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* flag : {"--url",
                           "--endpoint",
                           "--model",
                           "--api-key",
                           "--header",
                           "--ca-file",
                           "--insecure-tls",
                           "--extra-body",
                           "--temperature",
                           "--no-ignore-eos",
                           "--timeout",
                           "--rate",
                           "--arrivals",
                           "--cv",
                           "--concurrency",
                           "--requests",
                           "--duration",
                           "--warmup",
                           "--seed",
                           "--prompt-tokens",
                           "--output-tokens",
                           "--prefix-tokens",
                           "--prefixes",
                           "--prompts",
                           "--trace",
                           "--time-scale",
                           "--length-scale",
                           "--max-prompt-tokens",
                           "--max-output-tokens",
                           "--slo",
                           "--goodput",
                           "--goal",
                           "--precision",
                           "--max-rate",
                           "--json",
                           "--records",
                           "--html",
                           "--label",
                           "--quiet",
                           "--compare"}) {
    EXPECT_THAT(outcome.text, HasSubstr(std::string(flag) + " ")) << flag;
  }
}

}  // namespace
}  // namespace baton::test
