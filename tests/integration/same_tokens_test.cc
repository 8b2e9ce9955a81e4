#include <set>

#include <gtest/gtest.h>

#include "support/load.h"
#include "support/served_baton.h"

/// The same tokens wherever they are computed: real processes, text and log-probabilities compared
/// to the last digit with those of one mixed worker that serves the requests one by one.
namespace baton::test {
namespace {

constexpr int kRequests = 40;
constexpr int kWords = 220;

const std::vector<CompletionBody>& Bodies() {
  static const std::vector<CompletionBody> bodies = RandomCompletions(7, kRequests, kWords);
  return bodies;
}

/// From one mixed worker without prefix cache, one request at a time.
const std::vector<Outcome>& Expected() {
  static const std::vector<Outcome> outcomes = [] {
    ServedBaton server(
        {.prefill = 0, .decode = 0, .mixed = 1, .yaml = "engine: {prefix_cache: false}\n"});
    return server.WaitReady() ? CompleteAll(server.port(), Bodies(), 1) : std::vector<Outcome>();
  }();
  return outcomes;
}

void ExpectSame(const std::vector<Outcome>& outcomes, const std::string& route) {
  ASSERT_EQ(outcomes.size(), Expected().size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    SCOPED_TRACE("request " + std::to_string(i) + ": " + Bodies()[i].ToJson().substr(0, 200));
    ASSERT_EQ(outcomes[i].status, 200) << outcomes[i].error;
    EXPECT_TRUE(outcomes[i].complete);
    EXPECT_EQ(outcomes[i].error, "");
    EXPECT_EQ(outcomes[i].text, Expected()[i].text);
    EXPECT_EQ(outcomes[i].logprobs, Expected()[i].logprobs);
    EXPECT_EQ(outcomes[i].finish_reason, Expected()[i].finish_reason);
    EXPECT_NE(outcomes[i].route.find(route), std::string::npos) << outcomes[i].route;
  }
}

struct Split {
  const char* name;
  ServedOptions options;
  const char* route;
};

class SameTokens : public testing::TestWithParam<Split> {};

TEST_P(SameTokens, AsOneMixedWorkerAlone) {
  ServedBaton server(GetParam().options);
  ASSERT_TRUE(server.WaitReady());
  // Alone and cold, then 32 at once with prefixes that the first round left behind.
  ExpectSame(CompleteAll(server.port(), Bodies(), 1), GetParam().route);
  ExpectSame(CompleteAll(server.port(), Bodies(), 32), GetParam().route);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
  if (GetParam().options.prefill > 0) {
    EXPECT_GT(server.Metric("baton_handoff_bytes_total"), 0);
  }
}

const Split kSplits[] = {
    {"Mixed", {.prefill = 0, .decode = 0, .mixed = 1}, "local=m0"},
    {"OneToOne", {}, "prefill=p0 decode=d0"},
    {"TwoToOne", {.prefill = 2}, "decode=d0"},
    {"OneToThree", {.decode = 3}, "prefill=p0"},
    {"SmallSteps", {.yaml = "engine: {step_tokens: 48}\n"}, "prefill=p0 decode=d0"},
    {"Checksummed", {.yaml = "handoff: {checksum: true}\n"}, "prefill=p0 decode=d0"},
    {"OverTcp", {.yaml = "transport: {tls: tcp}\n"}, "prefill=p0 decode=d0"},
};

INSTANTIATE_TEST_SUITE_P(Splits, SameTokens, testing::ValuesIn(kSplits),
                         [](const auto& info) { return info.param.name; });

TEST(SameTokensWithLittleMemory, ThoughSequencesArePreempted) {
  ServedBaton server({.kv_memory = "2MiB"});
  ASSERT_TRUE(server.WaitReady());
  ExpectSame(CompleteAll(server.port(), Bodies(), 32), "prefill=p0 decode=d0");
  EXPECT_GT(server.Metric("baton_preemptions_total"), 0);
  EXPECT_TRUE(server.WaitIdle()) << server.log();
}

TEST(SameTokensWithPrefixHits, OnBothSidesOfTheSplit) {
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  ExpectSame(CompleteAll(server.port(), Bodies(), 4), "prefill=p0 decode=d0");
  ExpectSame(CompleteAll(server.port(), Bodies(), 4), "prefill=p0 decode=d0");
  EXPECT_GT(server.Metric("baton_prefix_hit_tokens_total", {"worker=\"p0\""}), 0);
  EXPECT_GT(server.Metric("baton_prefix_hit_tokens_total", {"worker=\"d0\""}), 0);
}

}  // namespace
}  // namespace baton::test
