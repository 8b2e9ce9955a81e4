#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "support/load.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// The same tokens wherever they are computed: real processes, text and log-probabilities compared
/// to the last digit with those of one mixed worker that serves the requests one by one.
namespace baton::test {
namespace {

/// Requests, and what one mixed worker without prefix cache answers them one at a time.
struct Exam {
  std::vector<CompletionBody> bodies;
  std::vector<Outcome> expected;

  Exam() = default;
  explicit Exam(std::vector<CompletionBody> requests) : bodies(std::move(requests)) {
    ServedBaton server(
        {.prefill = 0, .decode = 0, .mixed = 1, .yaml = "engine: {prefix_cache: false}\n"});
    if (server.WaitReady()) expected = CompleteAll(server.port(), bodies, 1);
  }
};

/// All sorts: short and long prompts, half of which begin alike, greedy and seeded.
const Exam& Mixture() {
  static const Exam exam(RandomCompletions(7, 40, 220));
  return exam;
}

/// Short prompts whose outputs grow far, so that a small pool overflows.
const Exam& Growing() {
  static const Exam exam = [] {
    std::vector<CompletionBody> bodies = RandomCompletions(8, 32, 40);
    for (CompletionBody& body : bodies) {
      body.max_tokens = 150;
      body.ignore_eos = true;
    }
    return Exam(std::move(bodies));
  }();
  return exam;
}

void ExpectSame(const Exam& exam, const std::vector<Outcome>& outcomes, const std::string& route) {
  ASSERT_EQ(outcomes.size(), exam.expected.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    SCOPED_TRACE("request " + std::to_string(i) + ": " + exam.bodies[i].ToJson().substr(0, 200));
    ASSERT_EQ(outcomes[i].status, 200) << outcomes[i].error;
    EXPECT_TRUE(outcomes[i].complete);
    EXPECT_EQ(outcomes[i].error, "");
    EXPECT_EQ(outcomes[i].text, exam.expected[i].text);
    EXPECT_EQ(outcomes[i].logprobs, exam.expected[i].logprobs);
    EXPECT_EQ(outcomes[i].finish_reason, exam.expected[i].finish_reason);
    // A stream that waits long for its first token begins before its route is known.
    if (exam.bodies[i].stream && outcomes[i].route.empty()) continue;
    EXPECT_NE(outcomes[i].route.find(route), std::string::npos) << outcomes[i].route;
  }
}

void Answer(const ServedBaton& server, int clients, const std::string& route) {
  ExpectSame(Mixture(), CompleteAll(server.port(), Mixture().bodies, clients), route);
}

struct Split {
  const char* name;
  ServedOptions options;
  const char* route;

  friend std::ostream& operator<<(std::ostream& out, const Split& split) {
    return out << split.name;
  }
};

class SameTokens : public testing::TestWithParam<Split> {};

TEST_P(SameTokens, AsOneMixedWorkerAlone) {
  ServedBaton server(GetParam().options);
  ASSERT_TRUE(server.WaitReady());
  // Alone and cold, then 32 at once with prefixes that the first round left behind.
  Answer(server, 1, GetParam().route);
  Answer(server, 32, GetParam().route);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
  // The cost policy may find that no hand-over pays.
  if (GetParam().options.prefill > 0 && GetParam().options.policy != "cost") {
    EXPECT_GT(server.Metric("baton_handoff_bytes_total"), 0);
  }
}

const Split kSplits[] = {
    {"Mixed", {.prefill = 0, .decode = 0, .mixed = 1}, "local=m0"},
    {"OneToOne", {}, "prefill=p0 decode=d0"},
    {"TwoToOne", {.prefill = 2}, "decode=d0"},
    {"OneToThree", {.decode = 3}, "prefill=p0"},
    {"ByCost", {.prefill = 2, .decode = 2, .policy = "cost"}, ""},
    {"SmallSteps",
     {.yaml = "engine: {step_tokens: 48, running_sequences: 24}\n"},
     "prefill=p0 decode=d0"},
    {"Checksummed", {.yaml = "handoff: {checksum: crc32c}\n"}, "prefill=p0 decode=d0"},
    {"OneProcess", {.arguments = {"--set", "workers.one_process=true"}}, "prefill=p0 decode=d0"},
    {"OverTcp", {.yaml = "transport: {tls: tcp}\n"}, "prefill=p0 decode=d0"},
};

INSTANTIATE_TEST_SUITE_P(Splits, SameTokens, testing::ValuesIn(kSplits),
                         [](const auto& split) { return split.param.name; });

class SameTokensRounded : public testing::TestWithParam<const char*> {};

TEST_P(SameTokensRounded, SplitAndTogetherAsAlone) {
  const std::string rounded =
      std::string("engine: {") + GetParam() + "}\nhandoff: {checksum: crc32c}\n";
  Exam exam;
  exam.bodies = RandomCompletions(10, 24, 150);
  {
    ServedBaton mixed({.prefill = 0, .decode = 0, .mixed = 1, .yaml = rounded});
    ASSERT_TRUE(mixed.WaitReady());
    exam.expected = CompleteAll(mixed.port(), exam.bodies, 1);
  }
  ServedBaton split({.yaml = rounded});
  ASSERT_TRUE(split.WaitReady());
  ExpectSame(exam, CompleteAll(split.port(), exam.bodies, 1), "prefill=p0 decode=d0");
  ExpectSame(exam, CompleteAll(split.port(), exam.bodies, 16), "prefill=p0 decode=d0");
  EXPECT_GT(split.Metric("baton_handoff_bytes_total"), 0);
  EXPECT_GT(split.Metric("baton_prefix_hit_tokens_total", {"worker=\"p0\""}), 0);
}

INSTANTIATE_TEST_SUITE_P(Roundings, SameTokensRounded,
                         testing::Values("weights: w8a8, kv_dtype: int8", "weights: w16a16"));

TEST(SameTokensWithLittleMemory, ThoughSequencesArePreempted) {
  ServedBaton server({.kv_memory = "1MiB"});
  ASSERT_TRUE(server.WaitReady());
  ExpectSame(Growing(), CompleteAll(server.port(), Growing().bodies, 32), "");
  EXPECT_GT(server.Metric("baton_preemptions_total"), 0);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

TEST(SameTokensWithPrefixHits, OnBothSidesOfTheSplit) {
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  Answer(server, 4, "prefill=p0 decode=d0");
  Answer(server, 4, "prefill=p0 decode=d0");
  EXPECT_GT(server.Metric("baton_prefix_hit_tokens_total", {"worker=\"p0\""}), 0);
  EXPECT_GT(server.Metric("baton_prefix_hit_tokens_total", {"worker=\"d0\""}), 0);
}

/// What a server with random weights answers, from a folder that has no weights.
std::vector<Outcome> AnswersOfRandomWeights(const std::filesystem::path& model,
                                            const std::vector<CompletionBody>& bodies,
                                            ServedOptions options) {
  options.arguments = {"--model", model.string(),
                       "--set",   "engine.load=random",
                       "--set",   "served_model_name=baton-tiny"};
  ServedBaton server(options);
  if (!server.WaitReady()) return {};
  return CompleteAll(server.port(), bodies, 4);
}

TEST(RandomWeights, AreTheSameInEveryWorkerAndNeedNoneInTheFolder) {
  const testing_support::TemporaryFolder folder;
  const std::filesystem::path bundled = BATON_SOURCE_DIR "/configs/models/baton-tiny";
  for (const char* file : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy_file(bundled / file, folder.path() / file);
  }
  Exam exam;
  exam.bodies = RandomCompletions(9, 8, 60);
  exam.expected =
      AnswersOfRandomWeights(folder.path(), exam.bodies, {.prefill = 0, .decode = 0, .mixed = 1});
  ASSERT_EQ(exam.expected.size(), exam.bodies.size());
  ExpectSame(exam, AnswersOfRandomWeights(folder.path(), exam.bodies, {}), "prefill=p0 decode=d0");
}

}  // namespace
}  // namespace baton::test
