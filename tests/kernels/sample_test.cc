#include <map>
#include <set>

#include "support.h"

namespace baton::kernels {
namespace {

using ops::SampledToken;
using ops::SampleRow;

struct Outcome {
  std::vector<SampledToken> out;
  std::vector<SampledToken> top;
};

constexpr int64_t kTopStride = 6;

Outcome Perform(const ops::Ops& ops, device::HostStream& stream, std::vector<float> logits,
                const std::vector<SampleRow>& rows) {
  const auto R = static_cast<int64_t>(rows.size());
  Outcome outcome{
      .out = std::vector<SampledToken>(rows.size(), {.token = -7, .logprob = kNan}),
      .top = std::vector<SampledToken>(rows.size() * kTopStride, {.token = -7, .logprob = kNan})};
  ops.sample({.logits = logits.data(),
              .rows = rows.data(),
              .out = outcome.out.data(),
              .top = outcome.top.data(),
              .top_stride = kTopStride,
              .R = R,
              .V = static_cast<int64_t>(logits.size()) / R},
             stream);
  return outcome;
}

class Sample : public KernelTest {
 protected:
  TokenId Draw(const std::vector<float>& logits, const SampleRow& row) {
    return Perform(cpu(), stream_, logits, {row}).out[0].token;
  }
  /// Logits spread like a language model's: a few likely tokens, a long tail.
  std::vector<float> Logits(int64_t V) {
    std::vector<float> logits = Uniform(random_, V, -4, 4);
    for (int i = 0; i < 8; ++i) logits[random_.Below(static_cast<uint64_t>(V))] += 6;
    return logits;
  }
};

TEST_P(Sample, DrawsWhatTheReferenceDrawsUnderEveryLimit) {
  const std::vector<SampleRow> settings = {
      {.temperature = 0},
      {.temperature = 1},
      {.temperature = 0.3f},
      {.temperature = 1.7f, .top_k = 1},
      {.temperature = 1.5f, .top_k = 40},
      {.temperature = 1.5f, .top_p = 0.9f},
      {.temperature = 1.5f, .top_p = 0.05f},
      {.temperature = 3, .top_p = 0.999f},
      {.temperature = 1.5f, .min_p = 0.02f},
      {.temperature = 2, .top_k = 500, .top_p = 0.95f, .min_p = 0.001f},
      {.temperature = 1, .top_k = 1000000, .top_p = 1.0f},
  };
  for (const int64_t V : {1, 2, 17, 64, 1000, 5003}) {
    const std::vector<float> logits = Logits(V);
    for (size_t i = 0; i < settings.size(); ++i) {
      for (int64_t position = 0; position < 20; ++position) {
        SampleRow row = settings[i];
        row.seed = 77;
        row.position = position;
        ASSERT_EQ(Draw(logits, row), Perform(reference(), stream_, logits, {row}).out[0].token)
            << "V " << V << ", setting " << i << ", position " << position;
      }
    }
  }
}

TEST_P(Sample, TakesTheSmallerIdOfEqualLogits) {
  std::vector<float> logits(300, 1.0f);
  logits[130] = logits[70] = logits[290] = 2.0f;
  EXPECT_EQ(Draw(logits, {.temperature = 0}), 70);
  EXPECT_EQ(Draw(logits, {.temperature = 5, .top_k = 1}), 70);
}

TEST_P(Sample, DrawsTokensAsOftenAsTheirProbabilities) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  std::map<TokenId, int> counts;
  for (int64_t i = 0; i < 20000; ++i) ++counts[Draw(logits, {.seed = 3, .position = i})];
  EXPECT_NEAR(counts[0], 10000, 300);
  EXPECT_NEAR(counts[1], 6000, 300);
  EXPECT_NEAR(counts[2], 4000, 300);
}

TEST_P(Sample, KeepsExactlyTopKTokens) {
  const std::vector<float> logits(200, 0.5f);
  std::set<TokenId> drawn;
  for (int64_t i = 0; i < 500; ++i) drawn.insert(Draw(logits, {.top_k = 3, .position = i}));
  EXPECT_EQ(drawn, (std::set<TokenId>{0, 1, 2}));
}

TEST_P(Sample, KeepsTheFewestTokensThatReachTopP) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  std::set<TokenId> drawn;
  for (int64_t i = 0; i < 500; ++i) drawn.insert(Draw(logits, {.top_p = 0.7f, .position = i}));
  EXPECT_EQ(drawn, (std::set<TokenId>{0, 1}));
  EXPECT_EQ(Draw(logits, {.top_p = 0.0f}), 0);
}

TEST_P(Sample, NeverDrawsABannedToken) {
  std::vector<float> logits(100, 0.0f);
  logits[42] = 50;
  const std::vector<TokenId> banned = {42};
  for (const float temperature : {0.0f, 1.0f}) {
    const SampleRow row{.temperature = temperature, .banned = banned.data(), .banned_tokens = 1};
    EXPECT_NE(Draw(logits, row), 42);
  }
}

TEST_P(Sample, AddsABiasToTheLogitThatTemperatureAndLimitsSee) {
  const std::vector<float> logits = {1.0f, 2.0f, 3.0f};
  const std::vector<ops::TokenBias> biases = {{0, 2.5f}, {2, -1.5f}};
  const SampleRow row{.temperature = 0, .biases = biases.data(), .biased_tokens = 2};
  EXPECT_EQ(Draw(logits, row), 0);
  EXPECT_EQ(Draw(logits, {.temperature = 0}), 2);
}

TEST_P(Sample, DrawsWhatTheReferenceDrawsUnderBiasAndMask) {
  for (const int64_t V : {1, 31, 32, 33, 47, 400, 5003}) {
    const auto words = static_cast<size_t>((V + 31) / 32);
    for (int64_t position = 0; position < 40; ++position) {
      const std::vector<float> logits = Logits(V);
      std::vector<ops::TokenBias> biases;
      for (int64_t token = position % 7; token < V; token += 13) {
        biases.push_back({static_cast<TokenId>(token), Uniform(random_, 1, -9, 9)[0]});
      }
      std::vector<uint32_t> mask(words);
      for (uint32_t& word : mask) word = static_cast<uint32_t>(random_.Next() & random_.Next());
      mask[0] |= 1;  // Somebody must be left.
      SampleRow row{.temperature = 1.3f,
                    .seed = 6,
                    .position = position,
                    .biases = biases.data(),
                    .biased_tokens = static_cast<int64_t>(biases.size()),
                    .mask = mask.data()};
      if (position % 2 == 0) row.top_k = 5;
      if (position % 3 == 0) row.top_p = 0.8f;
      if (position % 5 == 0) row.temperature = 0;
      const TokenId token = Draw(logits, row);
      ASSERT_EQ(token, Perform(reference(), stream_, logits, {row}).out[0].token)
          << "V " << V << ", position " << position;
      ASSERT_NE(mask[static_cast<size_t>(token) / 32] >> (token % 32) & 1, 0u) << "V " << V;
    }
  }
}

TEST_P(Sample, GivesNoTokenWhereTheMaskLeavesNone) {
  const std::vector<uint32_t> mask = {0, 0, ~7u};  // Only bits beyond V.
  const SampleRow row{.temperature = 0, .mask = mask.data()};
  EXPECT_EQ(Draw(std::vector<float>(67, 1.0f), row), -1);
}

TEST_P(Sample, ReportsLogProbabilitiesOfTheDistributionBeforeBiasAndMask) {
  const std::vector<float> logits = Logits(100);
  const std::vector<ops::TokenBias> biases = {{70, 40.0f}, {71, 41.0f}};
  const std::vector<uint32_t> mask = {0, 0, 1u << 6, 0};
  const SampleRow row{.temperature = 0,
                      .biases = biases.data(),
                      .biased_tokens = 2,
                      .mask = mask.data(),
                      .logprobs = 4};
  const Outcome actual = Perform(cpu(), stream_, logits, {row});
  const Outcome free = Perform(reference(), stream_, logits, {{.given = 70, .logprobs = 4}});
  EXPECT_EQ(actual.out[0].token, 70);
  EXPECT_NEAR(actual.out[0].logprob, free.out[0].logprob, 2e-6);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(actual.top[i].token, free.top[i].token);
}

TEST_P(Sample, TakesAGivenTokenAndReportsItsLogProbabilityAndRank) {
  const std::vector<float> logits = Logits(531);
  for (const TokenId given : {0, 17, 530}) {
    const SampleRow row{.given = given, .logprobs = 2};
    const SampledToken actual = Perform(cpu(), stream_, logits, {row}).out[0];
    const SampledToken expected = Perform(reference(), stream_, logits, {row}).out[0];
    EXPECT_EQ(actual.token, given);
    EXPECT_EQ(actual.rank, expected.rank);
    EXPECT_NEAR(actual.logprob, expected.logprob, 2e-6);
  }
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  const SampleRow likeliest{.given = static_cast<TokenId>(best), .logprobs = 0};
  EXPECT_EQ(Perform(cpu(), stream_, logits, {likeliest}).out[0].rank, 1);
}

TEST_P(Sample, AppliesEachPenaltyLikeTheReference) {
  const int64_t V = 400;
  std::vector<TokenId> prompt(60), output(40);
  for (TokenId& token : prompt) token = static_cast<TokenId>(random_.Below(V));
  for (TokenId& token : output) token = static_cast<TokenId>(random_.Below(20));
  for (int64_t position = 0; position < 60; ++position) {
    SampleRow row{.temperature = 1,
                  .seed = 5,
                  .position = position,
                  .prompt = prompt.data(),
                  .prompt_tokens = 60,
                  .output = output.data(),
                  .output_tokens = 40};
    if (position % 2 == 0) row.repetition_penalty = 1.3f;
    if (position % 3 == 0) row.frequency_penalty = 0.4f;
    if (position % 5 == 0) row.presence_penalty = 0.9f;
    if (position % 7 == 0) row.temperature = 0;
    const std::vector<float> logits = Logits(V);
    EXPECT_EQ(Draw(logits, row), Perform(reference(), stream_, logits, {row}).out[0].token)
        << position;
  }
}

TEST_P(Sample, CountsOnlyTheOutputForPresence) {
  const std::vector<float> logits = {1.0f, 0.9f};
  const TokenId prompt = 0;
  const SampleRow in_prompt{
      .temperature = 0, .presence_penalty = 1, .prompt = &prompt, .prompt_tokens = 1};
  const SampleRow in_output{
      .temperature = 0, .presence_penalty = 1, .output = &prompt, .output_tokens = 1};
  EXPECT_EQ(Draw(logits, in_prompt), 0);
  EXPECT_EQ(Draw(logits, in_output), 1);
}

TEST_P(Sample, ReportsLogProbabilitiesOfTheDistributionBeforePenaltiesAndTemperature) {
  const std::vector<float> logits = Logits(3000);
  const std::vector<TokenId> banned = {1, 2, 3};
  const SampleRow row{.temperature = 0.5f,
                      .top_k = 10,
                      .frequency_penalty = 0.5f,
                      .seed = 8,
                      .output = banned.data(),
                      .output_tokens = 3,
                      .banned = banned.data(),
                      .banned_tokens = 3,
                      .logprobs = 5};
  const Outcome actual = Perform(cpu(), stream_, logits, {row});
  const Outcome expected = Perform(reference(), stream_, logits, {row});
  EXPECT_EQ(actual.out[0].token, expected.out[0].token);
  EXPECT_NEAR(actual.out[0].logprob, expected.out[0].logprob, 2e-6);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(actual.top[i].token, expected.top[i].token);
    EXPECT_NEAR(actual.top[i].logprob, expected.top[i].logprob, 2e-6);
  }
  EXPECT_EQ(actual.top[5].token, -7) << "wrote more than was asked for";
}

TEST_P(Sample, ListsFewerTokensThanAskedForWhereTheVocabularyIsSmaller) {
  const Outcome outcome =
      Perform(cpu(), stream_, {0.0f, 1.0f}, {{.temperature = 0, .logprobs = 4}});
  EXPECT_EQ(outcome.top[0].token, 1);
  EXPECT_EQ(outcome.top[1].token, 0);
  EXPECT_EQ(outcome.top[2].token, -1);
  EXPECT_EQ(outcome.top[3].token, -1);
}

TEST_P(Sample, NeverDrawsWhatIsNotFinite) {
  std::vector<float> logits(130, kNan);
  logits[5] = INFINITY;
  logits[9] = -INFINITY;
  logits[129] = -3e38f;
  for (const SampleRow& row :
       {SampleRow{.temperature = 0}, SampleRow{.temperature = 1}, SampleRow{.temperature = 1e-30f},
        SampleRow{.top_k = 5}, SampleRow{.top_p = 0.5f}, SampleRow{.min_p = 0.1f}}) {
    EXPECT_EQ(Draw(logits, row), 129);
  }
}

TEST_P(Sample, GivesNoTokenForARowWithoutAFiniteLogit) {
  for (const SampleRow& row : {SampleRow{.temperature = 0, .logprobs = 2}, SampleRow{.top_k = 5},
                               SampleRow{.top_p = 0.5f, .logprobs = 0}}) {
    EXPECT_EQ(Draw(std::vector<float>(70, kNan), row), -1);
    EXPECT_EQ(Draw(std::vector<float>(70, -INFINITY), row), -1);
  }
}

TEST_P(Sample, TakesTheLikeliestAtATinyTemperature) {
  EXPECT_EQ(Draw({1.0f, 1.5f, 1.25f}, {.temperature = 1e-38f}), 1);
}

TEST_P(Sample, GivesARowTheSameTokenAloneInABatchAndForAnyNumberOfThreads) {
  const int64_t V = 2000;
  std::vector<float> logits;
  std::vector<SampleRow> rows;
  for (int64_t r = 0; r < 33; ++r) {
    const std::vector<float> row = Logits(V);
    logits.insert(logits.end(), row.begin(), row.end());
    rows.push_back({.temperature = 1.2f,
                    .top_p = r % 2 == 0 ? 0.9f : 1.0f,
                    .seed = 4,
                    .position = r,
                    .logprobs = 3});
  }
  const Outcome together = Perform(cpu(), stream_, logits, rows);
  for (const int threads : {1, 3}) {
    device::HostStream stream(threads);
    EXPECT_EQ(Perform(cpu(), stream, logits, rows).out[20].token, together.out[20].token);
    for (int64_t r = 0; r < 33; ++r) {
      const auto i = static_cast<size_t>(r);
      const Outcome alone = Perform(cpu(), stream, Rows(logits, r, 1, V), {rows[i]});
      EXPECT_EQ(alone.out[0].token, together.out[i].token);
      EXPECT_EQ(alone.out[0].logprob, together.out[i].logprob);
    }
  }
}

BATON_KERNEL_SUITE(Sample);

}  // namespace
}  // namespace baton::kernels
