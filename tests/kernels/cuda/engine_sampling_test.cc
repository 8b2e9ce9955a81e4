// The engine with the CUDA kernels' sampling, under the emulator: rows go there as plans.
#include <gtest/gtest.h>

#include "operations.h"
#include "support/engine_driver.h"
#include "support/tiny_model.h"

namespace baton::engine {
namespace {

using testing_support::EngineDriver;

ops::Ops OpsThatPlanDraws() {
  ops::Ops ops = kernels::CpuOps();
  ops.sample_plan_bytes = kernels::cuda::SamplePlanBytes;
  ops.plan_sample = kernels::cuda::PlanSample;
  ops.sample_scratch_bytes = kernels::cuda::SampleScratchBytes;
  ops.sample = kernels::cuda::Sample;
  return ops;
}

/// Requests that differ in all that a row can ask for.
std::vector<Request> Requests() {
  std::vector<Request> requests;
  for (int32_t i = 0; i < 6; ++i) {
    Request request{.id = "r"};
    for (int32_t k = 0; k < 12 + i; ++k) request.prompt.push_back((k * 31 + i) % 96);
    SamplingParams& sampling = request.sampling;
    sampling = {.temperature = i == 0 ? 0 : 1.0f, .seed = 5, .max_tokens = 6, .ignore_eos = true};
    if (i == 1) sampling.top_p = 0.7f;
    if (i == 2) sampling.top_k = 5;
    if (i == 3) sampling.repetition_penalty = 1.4f, sampling.frequency_penalty = 0.5f;
    if (i == 4) sampling.logit_bias = {{3, 20.0f}, {4, 19.5f}}, sampling.presence_penalty = 1;
    if (i % 2 == 0) sampling.logprobs = 3;
    if (i == 5) sampling.prompt_logprobs = 2;
    requests.push_back(std::move(request));
  }
  return requests;
}

std::vector<std::vector<TokenOutput>> OutputsOf(model::Model& model, const ops::Ops& ops) {
  EngineDriver driver(model, {.engine = {.step_tokens = 32, .running_sequences = 4}}, ops);
  std::vector<SequenceId> sequences;
  for (Request& request : Requests()) sequences.push_back(driver.Submit(std::move(request)));
  driver.RunUntilIdle();
  std::vector<std::vector<TokenOutput>> outputs;
  for (const SequenceId sequence : sequences) outputs.push_back(driver.log(sequence).outputs);
  return outputs;
}

TEST(DeviceSampling, GivesTheTokensAndLogProbabilitiesOfTheHosts) {
  testing_support::TemporaryFolder folder;
  testing_support::WriteTinyModel(folder.path());
  const auto model = *model::Model::Load(folder.path());
  const auto actual = OutputsOf(*model, OpsThatPlanDraws());
  const auto expected = OutputsOf(*model, kernels::CpuOps());
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(actual[i].size(), 6u) << "request " << i;
    for (size_t k = 0; k < actual[i].size(); ++k) {
      SCOPED_TRACE("request " + std::to_string(i) + ", token " + std::to_string(k));
      EXPECT_EQ(actual[i][k].token, expected[i][k].token);
      ASSERT_EQ(actual[i][k].logprob.has_value(), expected[i][k].logprob.has_value());
      EXPECT_NEAR(actual[i][k].logprob.value_or(0), expected[i][k].logprob.value_or(0), 2e-6);
      ASSERT_EQ(actual[i][k].top_logprobs.size(), expected[i][k].top_logprobs.size());
      for (size_t n = 0; n < actual[i][k].top_logprobs.size(); ++n) {
        EXPECT_EQ(actual[i][k].top_logprobs[n].token, expected[i][k].top_logprobs[n].token);
      }
    }
  }
  const auto& scored = actual[5][0].prompt_logprobs;
  const auto& scored_by_host = expected[5][0].prompt_logprobs;
  ASSERT_TRUE(scored != nullptr && scored_by_host != nullptr);
  ASSERT_EQ(scored->size(), scored_by_host->size());
  for (size_t i = 0; i < scored->size(); ++i) {
    EXPECT_NEAR((*scored)[i].logprob, (*scored_by_host)[i].logprob, 2e-6) << "prompt token " << i;
    EXPECT_EQ((*scored)[i].rank, (*scored_by_host)[i].rank) << "prompt token " << i;
  }
}

}  // namespace
}  // namespace baton::engine
