#include "baton/request/sampling_params.h"

#include <functional>
#include <limits>

#include <gtest/gtest.h>

namespace baton {
namespace {

constexpr int32_t kVocabulary = 100;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(SamplingParams, TakesTheDefaultsAndTheEdgesOfEveryRange) {
  EXPECT_TRUE(Validate({}, kVocabulary).ok());
  const SamplingParams edges{.temperature = 0,
                             .top_p = 1,
                             .min_p = 1,
                             .frequency_penalty = -2,
                             .presence_penalty = 2,
                             .max_tokens = 3,
                             .min_tokens = 3,
                             .stop_token_ids = {0, kVocabulary - 1},
                             .logit_bias = {{0, -100}, {kVocabulary - 1, 100}},
                             .logprobs = SamplingParams::kMaxTopLogprobs};
  EXPECT_TRUE(Validate(edges, kVocabulary).ok());
}

TEST(SamplingParams, TakesNoTokensAtAllForAPromptToBeScored) {
  EXPECT_TRUE(Validate({.max_tokens = 0, .prompt_logprobs = 0}, kVocabulary).ok());
}

struct Case {
  const char* field;
  std::function<void(SamplingParams&)> spoil;
};

class SamplingParamsRefusal : public testing::TestWithParam<Case> {};

TEST_P(SamplingParamsRefusal, NamesTheField) {
  SamplingParams params;
  GetParam().spoil(params);
  const Status status = Validate(params, kVocabulary);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find(GetParam().field), std::string::npos) << status;
}

INSTANTIATE_TEST_SUITE_P(
    All, SamplingParamsRefusal,
    testing::Values(Case{"temperature", [](auto& p) { p.temperature = -0.1f; }},
                    Case{"temperature", [](auto& p) { p.temperature = kNan; }},
                    Case{"temperature", [](auto& p) { p.temperature = kInfinity; }},
                    Case{"top_k", [](auto& p) { p.top_k = -1; }},
                    Case{"top_p", [](auto& p) { p.top_p = 0; }},
                    Case{"top_p", [](auto& p) { p.top_p = 1.01f; }},
                    Case{"min_p", [](auto& p) { p.min_p = kNan; }},
                    Case{"repetition_penalty", [](auto& p) { p.repetition_penalty = 0; }},
                    Case{"frequency_penalty", [](auto& p) { p.frequency_penalty = 2.1f; }},
                    Case{"presence_penalty", [](auto& p) { p.presence_penalty = -2.1f; }},
                    Case{"max_tokens", [](auto& p) { p.max_tokens = 0; }},
                    Case{"min_tokens", [](auto& p) { p.min_tokens = 17; }},
                    Case{"stop_token_ids", [](auto& p) { p.stop_token_ids = {kVocabulary}; }},
                    Case{"stop_token_ids", [](auto& p) { p.stop_token_ids.assign(65, 1); }},
                    Case{"logit_bias",
                         [](auto& p) {
                           p.logit_bias = {{kVocabulary, 1}};
                         }},
                    Case{"logit_bias",
                         [](auto& p) {
                           p.logit_bias = {{-1, 1}};
                         }},
                    Case{"logit_bias",
                         [](auto& p) {
                           p.logit_bias = {{5, 100.5f}};
                         }},
                    Case{"logit_bias",
                         [](auto& p) {
                           p.logit_bias = {{5, kNan}};
                         }},
                    Case{"logit_bias",
                         [](auto& p) {
                           p.logit_bias = {{5, 1}, {5, 1}};
                         }},
                    Case{"logit_bias",
                         [](auto& p) {
                           p.logit_bias = {{5, 1}, {4, 1}};
                         }},
                    Case{"number of tokens in logit_bias",
                         [](auto& p) {
                           p.logit_bias.assign(1025, {1, 0});
                         }},
                    Case{"max_tokens",
                         [](auto& p) {
                           p.max_tokens = -1;
                           p.prompt_logprobs = 0;
                         }},
                    Case{"prompt_logprobs", [](auto& p) { p.prompt_logprobs = 21; }},
                    Case{"prompt_logprobs", [](auto& p) { p.prompt_logprobs = -2; }},
                    Case{"logprobs", [](auto& p) { p.logprobs = 21; }}));

}  // namespace
}  // namespace baton
