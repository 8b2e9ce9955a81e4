#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "baton/base/units.h"
#include "kernels/cuda/support.h"
#include "operations.h"
#include "sample/plan.h"
#include "sample/weight.cuh"

namespace baton::kernels::cuda {
namespace {

using ops::SampledToken;
using ops::SampleRow;

struct Outcome {
  std::vector<SampledToken> out;
  std::vector<SampledToken> top;
  std::vector<TokenId> tokens;
};

constexpr int64_t kTopStride = 22;

/// Draws on the device, from scratch that holds NaN, with the stages that the rows need or all.
Outcome Draw(const std::vector<float>& logits, const std::vector<SampleRow>& rows,
             bool all_stages = false) {
  const auto R = static_cast<int64_t>(rows.size());
  const int64_t V = static_cast<int64_t>(logits.size()) / R;
  std::vector<std::byte> plan(SamplePlanBytes(rows.data(), R, V));
  const ops::SamplePlan planned = PlanSample(rows.data(), R, V, plan.data());
  EXPECT_LE(planned.bytes, plan.size());
  const auto top_count = static_cast<size_t>(R * kTopStride);
  const DeviceArray<float> device_logits(logits);
  const DeviceArray<std::byte> device_plan(plan);
  const DeviceArray<std::byte> scratch(SampleScratchBytes(R, V));
  const DeviceArray<SampledToken> out(rows.size());
  const DeviceArray<SampledToken> top(std::vector<SampledToken>(top_count, {.token = -7}));
  const DeviceArray<TokenId> tokens(rows.size());
  Sample({.logits = device_logits.data(),
          .out = out.data(),
          .top = top.data(),
          .tokens = tokens.data(),
          .top_stride = kTopStride,
          .R = R,
          .V = V,
          .plan = device_plan.data(),
          .scratch = scratch.data(),
          .stages = all_stages ? ops::SampleStages() : planned.stages},
         DeviceStream());
  return {.out = out.Read(), .top = top.Read(), .tokens = tokens.Read()};
}

Outcome Reference(std::vector<float> logits, const std::vector<SampleRow>& rows) {
  const auto R = static_cast<int64_t>(rows.size());
  Outcome outcome{.out = std::vector<SampledToken>(rows.size()),
                  .top = std::vector<SampledToken>(rows.size() * kTopStride)};
  device::HostStream stream(1);
  ReferenceOps().sample({.logits = logits.data(),
                         .rows = rows.data(),
                         .out = outcome.out.data(),
                         .top = outcome.top.data(),
                         .top_stride = kTopStride,
                         .R = R,
                         .V = static_cast<int64_t>(logits.size()) / R},
                        stream);
  return outcome;
}

TokenId DrawOne(const std::vector<float>& logits, const SampleRow& row) {
  return Draw(logits, {row}).out[0].token;
}

bool SameToken(const SampledToken& a, const SampledToken& b) {
  return a.token == b.token && a.rank == b.rank &&
         std::memcmp(&a.logprob, &b.logprob, sizeof a.logprob) == 0;
}

class CudaSample : public DeviceTest {
 protected:
  /// Logits spread like a language model's: a few likely tokens, a long tail.
  std::vector<float> Logits(int64_t V) {
    std::vector<float> logits = Uniform(random_, static_cast<size_t>(V), -4, 4);
    for (int i = 0; i < 8; ++i) logits[random_.Below(static_cast<uint64_t>(V))] += 6;
    return logits;
  }
};

TEST_P(CudaSample, DrawsWhatTheReferenceDrawsUnderEveryLimit) {
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
      {.temperature = 0.05f, .top_k = 50, .top_p = 0.9f},
  };
  for (const int64_t V : {1, 2, 17, 64, 1000, 4095, 4097, 8193}) {
    std::vector<float> logits;
    std::vector<SampleRow> rows;
    for (const SampleRow& setting : settings) {
      rows.push_back(setting);
      rows.back().seed = 77;
      rows.back().position = static_cast<int64_t>(rows.size());
      const std::vector<float> row = Logits(V);
      logits.insert(logits.end(), row.begin(), row.end());
    }
    const Outcome actual = Draw(logits, rows);
    const Outcome expected = Reference(logits, rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(actual.out[i].token, expected.out[i].token) << "V " << V << ", setting " << i;
      EXPECT_EQ(actual.tokens[i], std::max(actual.out[i].token, 0));
    }
  }
}

TEST_P(CudaSample, TakesTheSmallerIdOfEqualLogits) {
  std::vector<float> logits(300, 1.0f);
  logits[130] = logits[70] = logits[290] = 2.0f;
  EXPECT_EQ(DrawOne(logits, {.temperature = 0}), 70);
  EXPECT_EQ(DrawOne(logits, {.temperature = 5, .top_k = 1}), 70);
  EXPECT_EQ(DrawOne({-0.0f, 0.0f, -1.0f}, {.temperature = 0}), 0);
  EXPECT_EQ(DrawOne({0.0f, -0.0f, -1.0f}, {.temperature = 0}), 0);
}

/// The first position at which the seed's uniform number lies within the bounds.
int64_t PositionWithin(uint64_t seed, float low, float high) {
  for (int64_t i = 0;; ++i) {
    const float uniform = UniformAt(seed, static_cast<uint64_t>(i));
    if (uniform >= low && uniform < high) return i;
  }
}

TEST_P(CudaSample, KeepsExactlyTopKOfARowOfEqualLogits) {
  const int64_t V = 5000;
  // Near the ends, where one token more or less shows.
  const int64_t positions[] = {PositionWithin(3, 0, 0.05f), PositionWithin(3, 0.95f, 1)};
  for (const int32_t k : {1, 3, 256, 4097}) {
    std::vector<SampleRow> rows;
    for (const int64_t i : positions) rows.push_back({.top_k = k, .seed = 3, .position = i});
    const std::vector<float> logits(rows.size() * V, 0.5f);
    const Outcome outcome = Draw(logits, rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      const float uniform = UniformAt(3, static_cast<uint64_t>(rows[i].position));
      EXPECT_EQ(outcome.out[i].token, static_cast<TokenId>(std::floor(uniform * double(k))));
    }
  }
}

TEST_P(CudaSample, KeepsTheFewestTokensThatReachTopP) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  // The first, the second, and what would be the third if all were left.
  const int64_t positions[] = {PositionWithin(0, 0, 0.6f), PositionWithin(0, 0.65f, 0.8f),
                               PositionWithin(0, 0.95f, 1)};
  std::set<TokenId> drawn;
  for (const int64_t i : positions) drawn.insert(DrawOne(logits, {.top_p = 0.7f, .position = i}));
  EXPECT_EQ(drawn, (std::set<TokenId>{0, 1}));
  EXPECT_EQ(DrawOne(logits, {.top_p = 0.0f}), 0);
}

TEST_P(CudaSample, DrawsWhatTheReferenceDrawsUnderBiasBansMaskAndPenalties) {
  for (const int64_t V : {1, 31, 33, 400, 4100}) {
    const auto words = static_cast<size_t>(CeilDiv(V, int64_t{32}));
    std::vector<std::vector<ops::TokenBias>> biases(20);
    std::vector<std::vector<uint32_t>> masks(20, std::vector<uint32_t>(words));
    std::vector<std::vector<TokenId>> seen(20);
    const std::vector<TokenId> banned = {static_cast<TokenId>(V / 2), static_cast<TokenId>(V / 3)};
    std::vector<float> logits;
    std::vector<SampleRow> rows;
    for (int64_t i = 0; i < 20; ++i) {
      const auto r = static_cast<size_t>(i);
      for (int64_t token = i % 7; token < V; token += 13) {
        biases[r].push_back({static_cast<TokenId>(token), Uniform(random_, 1, -9, 9)[0]});
      }
      for (uint32_t& word : masks[r]) word = static_cast<uint32_t>(random_.Next());
      for (int n = 0; n < 50; ++n) {
        seen[r].push_back(static_cast<TokenId>(random_.Below(std::min<uint64_t>(V, 30))));
      }
      SampleRow row{.temperature = i % 5 == 0 ? 0 : 1.3f,
                    .top_k = i % 2 == 0 ? 5 : 0,
                    .top_p = i % 3 == 0 ? 0.8f : 1.0f,
                    .seed = 6,
                    .position = i};
      if (i % 2 == 0) row.biases = biases[r].data(), row.biased_tokens = std::ssize(biases[r]);
      if (i % 3 == 1) row.mask = masks[r].data();
      if (i % 4 == 1) row.banned = banned.data(), row.banned_tokens = 2;
      row.prompt = seen[r].data(), row.prompt_tokens = 30;
      row.output = seen[r].data() + 30, row.output_tokens = 20;
      if (i % 4 == 2) row.repetition_penalty = 1.3f;
      if (i % 4 >= 2) row.frequency_penalty = 0.4f, row.presence_penalty = 0.9f;
      rows.push_back(row);
      const std::vector<float> row_logits = Logits(V);
      logits.insert(logits.end(), row_logits.begin(), row_logits.end());
    }
    const Outcome actual = Draw(logits, rows);
    const Outcome expected = Reference(logits, rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(actual.out[i].token, expected.out[i].token) << "V " << V << ", row " << i;
    }
  }
}

/// What exact arithmetic draws if its uniform number and its limits are off by so much.
TokenId DrawExactly(const std::vector<float>& logits, const SampleRow& row, double u_off,
                    double p_off, double min_off) {
  std::vector<std::pair<double, TokenId>> tokens;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) tokens.emplace_back(-double{logits[i]}, static_cast<TokenId>(i));
  }
  std::sort(tokens.begin(), tokens.end());
  if (row.top_k > 0 && static_cast<size_t>(row.top_k) < tokens.size()) tokens.resize(row.top_k);
  const double likeliest = tokens[0].first;
  double mass = 0;
  for (auto& [value, token] : tokens) {
    value = std::exp((likeliest - value) / row.temperature);
    mass += value;
  }
  size_t kept = 0;
  double sum = 0;
  const double needed = (row.top_p + p_off) * mass;
  while (kept < tokens.size() && (kept == 0 || row.top_p == 1 || sum < needed)) {
    sum += tokens[kept++].first;
  }
  tokens.resize(kept);
  std::erase_if(tokens, [&](const auto& t) { return t.first < row.min_p * (1 + min_off); });
  std::sort(tokens.begin(), tokens.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  mass = 0;
  for (const auto& [value, token] : tokens) mass += value;
  const double target =
      mass * (double{UniformAt(row.seed, static_cast<uint64_t>(row.position))} + u_off);
  sum = 0;
  for (const auto& [value, token] : tokens) {
    sum += value;
    if (sum > target) return token;
  }
  return tokens.back().second;
}

TEST_P(CudaSample, DiffersFromExactArithmeticOnlyWhereTheChoiceIsWithinItsBound) {
  const int64_t V = 1500;
  constexpr double kBound = 0x1.0p-21;
  std::vector<std::vector<float>> logits;
  std::vector<float> all;
  std::vector<SampleRow> rows;
  for (int64_t r = 0; r < 96; ++r) {
    const float spread[] = {0.001f, 1.0f, 6.0f, 40.0f};  // Flat to peaked.
    logits.push_back(Uniform(random_, V, -1, 1));
    for (float& logit : logits.back()) {
      logit *= spread[r % 4];
      if (r % 8 == 4) logit = std::round(logit * 4);  // Many ties.
    }
    if (r % 16 == 7) std::fill(logits.back().begin() + 1, logits.back().end(), -INFINITY);
    const float top_p[] = {1.0f, 0.9f, 1e-6f, 0.5f, 0.999f};
    rows.push_back({.temperature = r % 3 == 0 ? 0.7f : 1.0f,
                    .top_k = r % 6 == 1   ? 1
                             : r % 6 == 2 ? 700
                                          : 0,
                    .top_p = top_p[r % 5],
                    .min_p = r % 7 == 0 ? 0.3f : 0.0f,
                    .seed = GetParam(),
                    .position = r});
    all.insert(all.end(), logits.back().begin(), logits.back().end());
  }
  const Outcome outcome = Draw(all, rows);
  int on_an_edge = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    const TokenId token = outcome.out[r].token;
    if (token == DrawExactly(logits[r], rows[r], 0, 0, 0)) continue;
    bool explained = false;
    for (const double u : {-kBound, 0.0, kBound}) {
      for (const double p : {-kBound, 0.0, kBound}) {
        for (const double m : {-kBound, 0.0, kBound}) {
          explained = explained || token == DrawExactly(logits[r], rows[r], u, p, m);
        }
      }
    }
    EXPECT_TRUE(explained) << "row " << r << " draws " << token;
    ++on_an_edge;
  }
  EXPECT_LE(on_an_edge, 2) << "of " << rows.size() << " rows";
  RecordProperty("on_an_edge", on_an_edge);
}

TEST_P(CudaSample, CountsOnlyTheOutputForPresence) {
  const std::vector<float> logits = {1.0f, 0.9f};
  const TokenId token = 0;
  EXPECT_EQ(
      DrawOne(logits,
              {.temperature = 0, .presence_penalty = 1, .prompt = &token, .prompt_tokens = 1}),
      0);
  EXPECT_EQ(
      DrawOne(logits,
              {.temperature = 0, .presence_penalty = 1, .output = &token, .output_tokens = 1}),
      1);
}

TEST_P(CudaSample, GivesNoTokenWhereNoneIsLeft) {
  const std::vector<uint32_t> mask = {0, 0, ~7u};  // Only bits beyond V.
  EXPECT_EQ(DrawOne(std::vector<float>(67, 1.0f), {.mask = mask.data()}), -1);
  for (const SampleRow& row : {SampleRow{.temperature = 0, .logprobs = 2}, SampleRow{.top_k = 5},
                               SampleRow{.top_p = 0.5f, .logprobs = 0}, SampleRow{}}) {
    EXPECT_EQ(DrawOne(std::vector<float>(70, NAN), row), -1);
    EXPECT_EQ(DrawOne(std::vector<float>(70, -INFINITY), row), -1);
  }
}

TEST_P(CudaSample, NeverDrawsWhatIsNotFinite) {
  std::vector<float> logits(130, NAN);
  logits[5] = INFINITY;
  logits[9] = -INFINITY;
  logits[129] = -3e38f;
  const ops::TokenBias bias{.token = 5, .bias = 1};
  for (const SampleRow& row :
       {SampleRow{.temperature = 0}, SampleRow{.temperature = 1}, SampleRow{.temperature = 1e-30f},
        SampleRow{.top_k = 5}, SampleRow{.top_p = 0.5f}, SampleRow{.min_p = 0.1f},
        SampleRow{.biases = &bias, .biased_tokens = 1}}) {
    EXPECT_EQ(DrawOne(logits, row), 129);
  }
}

TEST_P(CudaSample, TakesTheLikeliestAtATinyTemperature) {
  EXPECT_EQ(DrawOne({1.0f, 1.5f, 1.25f}, {.temperature = 1e-38f}), 1);
  EXPECT_EQ(DrawOne({1.0f, 1.5f, 1.25f}, {.temperature = 1e-38f, .top_k = 2, .top_p = 0.9f}), 1);
}

TEST_P(CudaSample, ReportsLogProbabilitiesOfTheDistributionBeforeAnythingIsDoneToIt) {
  for (const int64_t V : {3, 21, 3000, 9000}) {
    const std::vector<float> logits = Logits(V);
    const std::vector<TokenId> banned = {1, 2};
    const std::vector<ops::TokenBias> biases = {{0, 40.0f}};
    const SampleRow row{.temperature = 0.5f,
                        .top_k = 10,
                        .frequency_penalty = 0.5f,
                        .seed = 8,
                        .output = banned.data(),
                        .output_tokens = 2,
                        .biases = biases.data(),
                        .biased_tokens = 1,
                        .banned = banned.data(),
                        .banned_tokens = 2,
                        .logprobs = 20};
    const Outcome actual = Draw(logits, {row});
    const Outcome expected = Reference(logits, {row});
    EXPECT_EQ(actual.out[0].token, 0);
    EXPECT_NEAR(actual.out[0].logprob, expected.out[0].logprob, 2e-6);
    for (size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(actual.top[i].token, expected.top[i].token) << "V " << V << ", rank " << i;
      if (expected.top[i].token < 0) continue;
      EXPECT_NEAR(actual.top[i].logprob, expected.top[i].logprob, 2e-6);
    }
    EXPECT_EQ(actual.top[20].token, -7) << "wrote more than was asked for";
  }
}

TEST_P(CudaSample, ListsTheLikeliestHoweverUnlikelyTheyAre) {
  std::vector<float> logits(6000, -90.0f);
  logits[4321] = 10;
  logits[17] = -89;
  const Outcome outcome = Draw(logits, {{.temperature = 0, .logprobs = 4}});
  EXPECT_EQ(outcome.top[0].token, 4321);
  EXPECT_EQ(outcome.top[1].token, 17);
  EXPECT_EQ(outcome.top[2].token, 0);
  EXPECT_EQ(outcome.top[3].token, 1);
  EXPECT_FLOAT_EQ(outcome.top[3].logprob, -100.0f);
}

TEST_P(CudaSample, TakesAGivenTokenAndReportsItsLogProbabilityAndRank) {
  const std::vector<float> logits = Logits(5310);
  for (const TokenId given : {0, 17, 5309}) {
    const SampleRow row{.given = given, .logprobs = 2};
    const Outcome actual = Draw(logits, {row});
    const Outcome expected = Reference(logits, {row});
    EXPECT_EQ(actual.out[0].token, given);
    EXPECT_EQ(actual.out[0].rank, expected.out[0].rank);
    EXPECT_NEAR(actual.out[0].logprob, expected.out[0].logprob, 2e-6);
    EXPECT_EQ(actual.top[1].token, expected.top[1].token);
  }
}

TEST_P(CudaSample, GivesARowTheSameBitsAloneInABatchAndWithStagesThatItDoesNotNeed) {
  const int64_t V = 4500;
  std::vector<std::vector<float>> logits;
  std::vector<float> all;
  std::vector<SampleRow> rows;
  for (int64_t r = 0; r < 9; ++r) {
    logits.push_back(Logits(V));
    all.insert(all.end(), logits.back().begin(), logits.back().end());
    rows.push_back({.temperature = 1.2f,
                    .top_k = r % 3 == 0 ? 30 : 0,
                    .top_p = r % 2 == 0 ? 0.9f : 1.0f,
                    .seed = 4,
                    .position = r,
                    .logprobs = r % 2 == 0 ? 3 : -1});
  }
  const Outcome together = Draw(all, rows);
  const Outcome again = Draw(all, rows, true);
  for (size_t r = 0; r < rows.size(); ++r) {
    const Outcome alone = Draw(logits[r], {rows[r]});
    EXPECT_TRUE(SameToken(again.out[r], together.out[r])) << "row " << r;
    EXPECT_TRUE(SameToken(alone.out[0], together.out[r])) << "row " << r;
    for (size_t i = 0; i < 3 && rows[r].logprobs > 0; ++i) {
      EXPECT_TRUE(SameToken(alone.top[i], together.top[r * kTopStride + i]));
    }
  }
}

TEST_P(CudaSample, DrawsTheSameTwice) {
  const int64_t V = 4500;
  std::vector<float> logits;
  std::vector<SampleRow> rows;
  for (int64_t r = 0; r < 6; ++r) {
    const std::vector<float> row = Logits(V);
    logits.insert(logits.end(), row.begin(), row.end());
    rows.push_back({.temperature = 1.4f,
                    .top_k = r % 3 == 0 ? 40 : 0,
                    .top_p = r % 2 == 0 ? 0.95f : 1.0f,
                    .seed = 11,
                    .position = r,
                    .logprobs = 3});
  }
  ExpectSameBitsAgain([&] { return Draw(logits, rows, true).out; });
  ExpectSameBitsAgain([&] { return Draw(logits, rows, true).top; });
}

BATON_DEVICE_SUITE(CudaSample);

}  // namespace
}  // namespace baton::kernels::cuda
