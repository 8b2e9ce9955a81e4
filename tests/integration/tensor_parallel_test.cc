#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/http_client.h"
#include "support/load.h"
#include "support/same_outcomes.h"
#include "support/served_baton.h"

/// Workers whose ranks share the model, with real processes. For one degree tokens and
/// log-probabilities are the same to the last digit; between degrees sums are rounded otherwise, so
/// tokens are the same where no two are nearly as likely.
namespace baton::test {
namespace {

using nlohmann::json;

/// Rounding of K and V to few bits would make more of a difference than that of sums.
constexpr char kExactKv[] = "engine: {kv_dtype: float32}\n";
constexpr double kTolerance = 1e-3;
/// Tokens this much less likely, by logarithm, do not come first by rounding.
constexpr double kClear = 1e-2;

struct Degrees {
  int prefill;
  int decode;
};

std::string Name(const Degrees& degrees) {
  return std::to_string(degrees.prefill) + "To" + std::to_string(degrees.decode);
}

ServedOptions Split(const Degrees& degrees, const std::string& yaml) {
  return {
      .yaml = yaml,
      .arguments = {"--set", "workers.prefill.tensor_parallel=" + std::to_string(degrees.prefill),
                    "--set", "workers.decode.tensor_parallel=" + std::to_string(degrees.decode)}};
}

std::vector<CompletionBody> Greedy() {
  std::vector<CompletionBody> bodies = RandomCompletions(11, 32, 120);
  for (CompletionBody& body : bodies) {
    body.greedy = true;
    body.stream = false;
    body.more = R"("logprobs": 2)";
  }
  return bodies;
}

/// A whole answer with log-probabilities, and how clear its closest choice of a token was.
struct Answer {
  std::string text;
  std::vector<double> logprobs;
  double margin = std::numeric_limits<double>::infinity();
};

Answer Ask(uint16_t port, const CompletionBody& body) {
  const HttpReply reply =
      HttpClient(port, std::chrono::seconds(120))
          .Post("/v1/completions", body.ToJson(), {{"content-type", "application/json"}});
  EXPECT_EQ(reply.status, 200) << reply.body;
  if (reply.status != 200) return {};
  const json choice = json::parse(reply.body)["choices"][0];
  Answer answer{.text = choice["text"], .logprobs = choice["logprobs"]["token_logprobs"]};
  for (const json& top : choice["logprobs"]["top_logprobs"]) {
    std::vector<double> likeliest;
    for (const auto& [token, logprob] : top.items()) likeliest.push_back(logprob);
    if (likeliest.size() < 2) continue;
    std::ranges::sort(likeliest, std::greater<>());
    answer.margin = std::min(answer.margin, likeliest[0] - likeliest[1]);
  }
  return answer;
}

/// What one rank that does everything answers.
const std::vector<Answer>& Undivided() {
  static const std::vector<Answer> answers = [] {
    std::vector<Answer> made;
    ServedBaton server({.prefill = 0, .decode = 0, .mixed = 1, .yaml = kExactKv});
    if (!server.WaitReady()) return made;
    for (const CompletionBody& body : Greedy()) made.push_back(Ask(server.port(), body));
    return made;
  }();
  return answers;
}

class TensorParallel : public testing::TestWithParam<Degrees> {};

TEST_P(TensorParallel, GivesTheTextOfAnUndividedWorkerWhereNoTwoTokensNearlyTie) {
  ASSERT_FALSE(Undivided().empty());
  ServedBaton server(Split(GetParam(), kExactKv));
  ASSERT_TRUE(server.WaitReady());
  const std::vector<CompletionBody> bodies = Greedy();
  size_t clear = 0;
  for (size_t i = 0; i < bodies.size(); ++i) {
    const Answer& expected = Undivided()[i];
    const Answer answer = Ask(server.port(), bodies[i]);
    if (expected.margin < kClear) continue;
    ++clear;
    EXPECT_EQ(answer.text, expected.text) << bodies[i].ToJson();
    ASSERT_EQ(answer.logprobs.size(), expected.logprobs.size());
    for (size_t t = 0; t < answer.logprobs.size(); ++t) {
      EXPECT_NEAR(answer.logprobs[t], expected.logprobs[t], kTolerance) << bodies[i].ToJson();
    }
  }
  EXPECT_GE(clear, bodies.size() / 2);
  EXPECT_GT(server.Metric("baton_handoff_bytes_total"), 0);
  EXPECT_EQ(server.Metric("baton_tensor_parallel_ranks"), GetParam().prefill + GetParam().decode);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

INSTANTIATE_TEST_SUITE_P(Degrees, TensorParallel,
                         testing::Values(Degrees{1, 2}, Degrees{2, 1}, Degrees{2, 4},
                                         Degrees{4, 2}),
                         [](const auto& degrees) { return Name(degrees.param); });

TEST(TensorParallelOfOneDegree, GivesTheSameTokensSplitTogetherCachedAndPreempted) {
  const std::vector<CompletionBody> bodies = RandomCompletions(12, 32, 150);
  std::vector<Outcome> expected;
  {
    ServedBaton server({.prefill = 0,
                        .decode = 0,
                        .mixed = 1,
                        .yaml = "engine: {prefix_cache: false}\n",
                        .arguments = {"--set", "workers.mixed.tensor_parallel=2"}});
    ASSERT_TRUE(server.WaitReady());
    expected = CompleteAll(server.port(), bodies, 1);
  }
  ServedOptions options = Split({2, 2}, "handoff: {checksum: crc32c}\n");
  options.kv_memory = "1MiB";
  ServedBaton server(options);
  ASSERT_TRUE(server.WaitReady());
  ExpectSame(CompleteAll(server.port(), bodies, 1), expected);
  // Whether requests crowd each other out depends on when they come.
  for (int round = 0; round < 20 && server.Metric("baton_preemptions_total") == 0; ++round) {
    ExpectSame(CompleteAll(server.port(), bodies, 24), expected);
  }
  EXPECT_GT(server.Metric("baton_preemptions_total"), 0);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

TEST(TensorParallelThatDoesNotFit, IsRefusedByNameWithWhatFits) {
  ServedOptions options = Split({3, 1}, "");
  ServedBaton server(options);
  EXPECT_NE(server.WaitExit(), 0);
  EXPECT_NE(server.log().find("workers.prefill.tensor_parallel: a tensor parallelism of 3 does not "
                              "fit this model: num_attention_heads is 4, no multiple of 3; what "
                              "fits is 1, 2, 4"),
            std::string::npos)
      << server.log();
}

}  // namespace
}  // namespace baton::test
