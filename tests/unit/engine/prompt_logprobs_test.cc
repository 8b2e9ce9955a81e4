// Log-probabilities of prompts: the same bits however the prompt is computed.
#include <gtest/gtest.h>

#include "support/engine_driver.h"
#include "support/tiny_model.h"

namespace baton::engine {
namespace {

using testing_support::DriverOptions;
using testing_support::EngineDriver;
using testing_support::SequenceLog;

class PromptLogprobsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new testing_support::TemporaryFolder;
    testing_support::WriteTinyModel(folder_->path());
    model_ = (*model::Model::Load(folder_->path())).release();
  }
  static void TearDownTestSuite() {
    delete model_;
    delete folder_;
  }
  static Request Prompt(int32_t tokens, int32_t max_tokens, int32_t prompt_logprobs) {
    Request request{.id = "r"};
    for (int32_t i = 0; i < tokens; ++i) request.prompt.push_back((i * i * 7 + 5) % 96);
    request.sampling = {.temperature = 0, .max_tokens = max_tokens, .ignore_eos = true};
    request.sampling.prompt_logprobs = prompt_logprobs;
    return request;
  }
  static DriverOptions Options(int32_t step_tokens, int32_t running, int32_t blocks = 64) {
    DriverOptions options{.blocks = blocks};
    options.engine = {.step_tokens = step_tokens, .running_sequences = running};
    return options;
  }
  static PromptLogprobs Of(EngineDriver& driver, SequenceId sequence) {
    const SequenceLog& log = driver.log(sequence);
    if (log.outputs.empty() || !log.outputs[0].prompt_logprobs) return {};
    return *log.outputs[0].prompt_logprobs;
  }
  static PromptLogprobs Alone(const Request& request) {
    EngineDriver driver(*model_, Options(512, 1));
    const SequenceId sequence = driver.Submit(request);
    driver.RunUntilIdle();
    return Of(driver, sequence);
  }
  /// What a request tells that is forced to draw `next` behind a prompt that ends before it.
  static TokenOutput Drawn(const Request& request, size_t position) {
    Request prefix = Prompt(0, 1, -1);
    prefix.prompt.assign(request.prompt.begin(),
                         request.prompt.begin() + static_cast<int64_t>(position));
    prefix.sampling.logprobs = 5;
    prefix.sampling.logit_bias = {{request.prompt[position], 100}};
    EngineDriver driver(*model_, Options(512, 1));
    const SequenceId sequence = driver.Submit(prefix);
    driver.RunUntilIdle();
    return driver.log(sequence).outputs.at(0);
  }

  static testing_support::TemporaryFolder* folder_;
  static model::Model* model_;
};

testing_support::TemporaryFolder* PromptLogprobsTest::folder_ = nullptr;
model::Model* PromptLogprobsTest::model_ = nullptr;

void ExpectSameBits(const PromptLogprobs& actual, const PromptLogprobs& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].logprob, expected[i].logprob) << i;
    EXPECT_EQ(actual[i].rank, expected[i].rank) << i;
    ASSERT_EQ(actual[i].top.size(), expected[i].top.size());
    for (size_t k = 0; k < actual[i].top.size(); ++k) {
      EXPECT_EQ(actual[i].top[k].token, expected[i].top[k].token) << i;
      EXPECT_EQ(actual[i].top[k].logprob, expected[i].top[k].logprob) << i;
    }
  }
}

TEST_F(PromptLogprobsTest, AreThoseOfDrawingEachTokenOfThePromptInItsTurn) {
  const Request request = Prompt(40, 3, 5);
  const PromptLogprobs scored = Alone(request);
  ASSERT_EQ(scored.size(), 39u);
  for (const size_t position : {1, 2, 15, 16, 17, 39}) {
    const TokenOutput drawn = Drawn(request, position);
    const PromptLogprob& entry = scored[position - 1];
    ASSERT_EQ(drawn.token, request.prompt[position]);
    EXPECT_EQ(entry.logprob, *drawn.logprob) << position;
    for (size_t k = 0; k < 5; ++k) {
      EXPECT_EQ(entry.top[k].token, drawn.top_logprobs[k].token);
      EXPECT_EQ(entry.top[k].logprob, drawn.top_logprobs[k].logprob);
      if (entry.top[k].token == drawn.token) {
        EXPECT_EQ(entry.rank, static_cast<int32_t>(k) + 1);
      }
    }
  }
}

TEST_F(PromptLogprobsTest, AreTheSameInOddChunksAndCompany) {
  const Request request = Prompt(100, 4, 3);
  const PromptLogprobs expected = Alone(request);
  EngineDriver driver(*model_, Options(17, 5));
  std::vector<SequenceId> sequences;
  for (int32_t i = 0; i < 4; ++i) {
    sequences.push_back(driver.Submit(request));
    driver.Submit(Prompt(30 + i, 12, -1));
    driver.engine().Step();
  }
  driver.RunUntilIdle();
  for (const SequenceId sequence : sequences) ExpectSameBits(Of(driver, sequence), expected);
}

TEST_F(PromptLogprobsTest, AreTheSameWhenThePromptWasPreemptedOnTheWay) {
  EngineDriver driver(*model_, Options(3, 2, 10));
  const SequenceId growing = driver.Submit(Prompt(16, 60, -1));
  const SequenceId scored = driver.Submit(Prompt(100, 3, 2));
  while (driver.engine().Stats().preemptions == 0) ASSERT_TRUE(driver.engine().Step());
  ASSERT_TRUE(driver.log(scored).outputs.empty()) << "preempted too late for this test";
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(growing).tokens.size(), 60u);
  ExpectSameBits(Of(driver, scored), Alone(Prompt(100, 3, 2)));
}

TEST_F(PromptLogprobsTest, ComeWithTheFirstTokenOnlyAndChangeNoToken) {
  EngineDriver driver(*model_, Options(512, 4));
  const SequenceId scored = driver.Submit(Prompt(40, 6, 0));
  driver.RunUntilIdle();
  const SequenceLog& log = driver.log(scored);
  EXPECT_EQ(log.tokens, testing_support::ExpectedTokens(*model_, Prompt(40, 6, -1)));
  ASSERT_TRUE(log.outputs[0].prompt_logprobs);
  EXPECT_TRUE(log.outputs[0].prompt_logprobs->at(0).top.empty());
  EXPECT_FALSE(log.outputs[1].prompt_logprobs);
}

TEST_F(PromptLogprobsTest, TakeNothingFromThePrefixCacheAndLeaveItsBlocksThere) {
  EngineDriver driver(*model_, Options(512, 4));
  driver.Submit(Prompt(64, 1, -1));
  driver.RunUntilIdle();
  const SequenceId scored = driver.Submit(Prompt(64, 1, 0));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(scored).outputs[0].cached_tokens, 0);
  EXPECT_EQ(Of(driver, scored).size(), 63u);

  EngineDriver other(*model_, Options(512, 4));
  other.Submit(Prompt(64, 1, 0));
  other.RunUntilIdle();
  const SequenceId later = other.Submit(Prompt(64, 1, -1));
  other.RunUntilIdle();
  EXPECT_EQ(other.log(later).outputs[0].cached_tokens, 48);
}

TEST_F(PromptLogprobsTest, ComeAloneWhereNoTokenIsAskedFor) {
  EngineDriver driver(*model_, Options(13, 4));
  const SequenceId scored = driver.Submit(Prompt(40, 0, 2));
  driver.RunUntilIdle();
  const SequenceLog& log = driver.log(scored);
  ASSERT_EQ(log.outputs.size(), 1u);
  EXPECT_EQ(log.outputs[0].token, kNoToken);
  EXPECT_EQ(log.finish, FinishReason::kLength);
  ExpectSameBits(Of(driver, scored), Alone(Prompt(40, 5, 2)));
  EXPECT_EQ(driver.engine().Stats().generated_tokens, 0);
  EXPECT_EQ(driver.counts().used, 0);
}

TEST_F(PromptLogprobsTest, OfAPromptOfOneTokenAreEmpty) {
  EngineDriver driver(*model_, Options(13, 4));
  const SequenceId scored = driver.Submit(Prompt(1, 0, 2));
  driver.RunUntilIdle();
  ASSERT_TRUE(driver.log(scored).outputs.at(0).prompt_logprobs);
  EXPECT_TRUE(driver.log(scored).outputs[0].prompt_logprobs->empty());
}

TEST_F(PromptLogprobsTest, AreNotComputedAgainForWhoResumes) {
  Request request = Prompt(20, 6, 1);
  request.emitted_tokens = 2;
  EngineDriver driver(*model_, Options(512, 4));
  const SequenceId sequence = driver.Submit(request);
  driver.RunUntilIdle();
  EXPECT_FALSE(driver.log(sequence).outputs.at(0).prompt_logprobs);
}

TEST_F(PromptLogprobsTest, AreRefusedInAHandOff) {
  EngineDriver driver(*model_, Options(512, 4));
  for (const Goal goal : {Goal::kPrefill, Goal::kDecode}) {
    const SequenceId sequence = driver.Submit(Prompt(20, 6, 1), goal);
    driver.RunUntilIdle();
    ASSERT_TRUE(driver.log(sequence).failed);
    EXPECT_EQ(driver.log(sequence).failed->code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace baton::engine
