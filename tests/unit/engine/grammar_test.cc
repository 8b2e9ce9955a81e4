// Sequences with a grammar: what may be drawn, how they end, and what fails them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/engine_driver.h"
#include "support/fake_grammar.h"
#include "support/tiny_model.h"

namespace baton::engine {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing_support::Allows;
using testing_support::DriverOptions;
using testing_support::EngineDriver;
using testing_support::ExpectedTokens;
using testing_support::SequenceLog;

constexpr TokenId kEnd = 2;

class GrammarTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new testing_support::TemporaryFolder;
    testing_support::WriteTinyModel(folder_->path(), {.eos_token = kEnd});
    model_ = (*model::Model::Load(folder_->path())).release();
  }
  static void TearDownTestSuite() {
    delete model_;
    delete folder_;
  }
  static Request With(const std::string& grammar, int32_t max_tokens = 20) {
    Request request{.id = "r", .prompt = {5, 6, 7, 8, 9, 10, 11}};
    request.sampling = {.temperature = 1.5f, .seed = 11, .max_tokens = max_tokens};
    request.grammar = grammar;
    return request;
  }
  SequenceLog& Run(const Request& request) {
    const SequenceId sequence = driver_.Submit(request);
    driver_.RunUntilIdle();
    return driver_.log(sequence);
  }

  static testing_support::TemporaryFolder* folder_;
  static model::Model* model_;
  EngineDriver driver_{*model_, DriverOptions{}};
};

testing_support::TemporaryFolder* GrammarTest::folder_ = nullptr;
model::Model* GrammarTest::model_ = nullptr;

TEST_F(GrammarTest, DrawsOnlyWhatItAllowsAndEndsWhereNothingElseMayCome) {
  const SequenceLog& log = Run(With("6 6 4"));
  ASSERT_EQ(log.tokens.size(), 7u);
  EXPECT_EQ(log.tokens.back(), kEnd);
  EXPECT_EQ(log.finish, FinishReason::kStop);
  EXPECT_TRUE(Allows("6 6 4", {log.tokens.begin(), log.tokens.end() - 1}));
  EXPECT_NE(log.tokens, ExpectedTokens(*model_, With("", 7))) << "the grammar changed nothing";
}

TEST_F(GrammarTest, DrawsNoEndBeforeTheOutputIsWhole) {
  Request request = With("12 14 3");
  request.sampling.logit_bias = {{kEnd, 100}};
  const SequenceLog& log = Run(request);
  EXPECT_EQ(log.tokens.size(), 13u);
  EXPECT_EQ(log.finish, FinishReason::kStop);
}

TEST_F(GrammarTest, LetsMaxTokensCutTheOutputShort) {
  const SequenceLog& log = Run(With("9 9 3", 4));
  EXPECT_EQ(log.tokens.size(), 4u);
  EXPECT_EQ(log.finish, FinishReason::kLength);
}

TEST_F(GrammarTest, TakesTheRequestsOwnStopTokensForAnEnd) {
  Request request = With("3 9 3");
  request.sampling.stop_token_ids = {1};
  request.sampling.logit_bias = {{1, 100}};
  const SequenceLog& log = Run(request);
  EXPECT_EQ(log.tokens.size(), 4u);
  EXPECT_EQ(log.tokens.back(), 1);
}

TEST_F(GrammarTest, OverrulesIgnoreEosAndMinTokensOnlyWhereNothingElseCouldBeDrawn) {
  Request request = With("2 7 3");
  request.sampling.ignore_eos = true;
  request.sampling.min_tokens = 15;
  request.sampling.logit_bias = {{kEnd, 100}};
  const SequenceLog& log = Run(request);
  EXPECT_EQ(log.tokens.size(), 8u);
  EXPECT_EQ(log.finish, FinishReason::kStop);
}

TEST_F(GrammarTest, ReportsLogprobsOfTheDistributionAsTheModelGaveIt) {
  Request free = With("", 1);
  free.sampling.logprobs = 3;
  Request bound = free;
  bound.grammar = "1 1 50";
  const TokenOutput expected = Run(free).outputs.at(0);
  const TokenOutput actual = Run(bound).outputs.at(0);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(actual.top_logprobs[i].token, expected.top_logprobs[i].token);
    EXPECT_EQ(actual.top_logprobs[i].logprob, expected.top_logprobs[i].logprob);
  }
}

TEST_F(GrammarTest, GoesOnInAResumedRequestWhereTheOutputWas) {
  const Request request = With("10 12 4");
  const std::vector<TokenId> expected = ExpectedTokens(*model_, request);
  Request resumed = request;
  resumed.prompt.insert(resumed.prompt.end(), expected.begin(), expected.begin() + 5);
  resumed.emitted_tokens = 5;
  EXPECT_EQ(Run(resumed).tokens, std::vector<TokenId>(expected.begin() + 5, expected.end()));
}

TEST_F(GrammarTest, FailsARequestWhoseEmittedTokensItDoesNotAllow) {
  Request resumed = With("10 12 4");
  resumed.prompt.push_back(1);
  resumed.emitted_tokens = 1;
  const SequenceLog& log = Run(resumed);
  ASSERT_TRUE(log.failed);
  EXPECT_EQ(log.failed->code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(log.failed->message(), HasSubstr("position 7"));
}

TEST_F(GrammarTest, FailsThatRequestAloneWhereItDoesNotCompile) {
  const SequenceId broken = driver_.Submit(With("what?"));
  const SequenceId sound = driver_.Submit(With("6 6 4"));
  const SequenceId free = driver_.Submit(With(""));
  driver_.RunUntilIdle();
  ASSERT_TRUE(driver_.log(broken).failed);
  EXPECT_EQ(driver_.log(broken).failed->code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(driver_.log(sound).tokens, ExpectedTokens(*model_, With("6 6 4")));
  EXPECT_EQ(driver_.log(free).tokens, ExpectedTokens(*model_, With("")));
  EXPECT_EQ(driver_.counts().used, 0);
}

TEST_F(GrammarTest, FailsTheRequestAndNotTheWorkerWhereItLeavesNothingToDraw) {
  const SequenceLog& log = Run(With("3 -1 3"));
  EXPECT_EQ(log.tokens.size(), 3u);
  ASSERT_TRUE(log.failed);
  EXPECT_EQ(log.failed->code(), StatusCode::kInternal);
  EXPECT_NE(log.failed->blast(), Blast::kWorker);
}

TEST_F(GrammarTest, FailsASequenceWhoseCommittedTokenItDoesNotAllowAsThePeersFault) {
  const SequenceId sequence = driver_.Submit(With("5 5 4"), Goal::kDecode);
  driver_.RunUntilIdle();
  driver_.engine().Commit(sequence, {.token = 1, .position = 7});
  driver_.RunUntilIdle();
  ASSERT_TRUE(driver_.log(sequence).failed);
  EXPECT_EQ(driver_.log(sequence).failed->blast(), Blast::kPeer);
}

TEST_F(GrammarTest, IsRefusedByAnEngineThatHasNone) {
  DriverOptions options;
  options.grammars = false;
  EngineDriver driver(*model_, options);
  const SequenceId sequence = driver.Submit(With("6 6 4"));
  driver.RunUntilIdle();
  ASSERT_TRUE(driver.log(sequence).failed);
  EXPECT_EQ(driver.log(sequence).failed->code(), StatusCode::kFailedPrecondition);
}

TEST_F(GrammarTest, IsRefusedWhenItsTextIsTooLong) {
  const SequenceLog& log = Run(With(std::string(Request::kMaxGrammarBytes + 1, 'x')));
  ASSERT_TRUE(log.failed);
  EXPECT_EQ(log.failed->code(), StatusCode::kInvalidArgument);
}

TEST_F(GrammarTest, CountsSequencesAndMasks) {
  Run(With("6 6 4"));
  Run(With(""));
  const EngineStats stats = driver_.engine().Stats();
  EXPECT_EQ(stats.constrained_sequences, 1);
  EXPECT_EQ(stats.masks, 7);
  EXPECT_GT(stats.mask_cpu_seconds, 0);
}

}  // namespace
}  // namespace baton::engine
