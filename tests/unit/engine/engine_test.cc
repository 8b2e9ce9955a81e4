#include "baton/engine/engine.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/gate.h"
#include "support/engine_driver.h"
#include "support/tiny_model.h"

namespace baton::engine {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Le;
using testing_support::DriverOptions;
using testing_support::EngineDriver;
using testing_support::ExpectedTokens;

class EngineTest : public testing::Test {
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
  static Request Prompt(int32_t tokens, int32_t max_tokens) {
    Request request{.id = "r"};
    for (int32_t i = 0; i < tokens; ++i) request.prompt.push_back((i * 31 + 5) % 96);
    request.sampling = {.temperature = 0, .max_tokens = max_tokens, .ignore_eos = true};
    return request;
  }
  Status FailureOf(Request request) {
    const SequenceId sequence = driver_.Submit(std::move(request));
    driver_.RunUntilIdle();
    return driver_.log(sequence).failed.value_or(OkStatus());
  }

  static testing_support::TemporaryFolder* folder_;
  static model::Model* model_;
  EngineDriver driver_{*model_, DriverOptions{}};
};

testing_support::TemporaryFolder* EngineTest::folder_ = nullptr;
model::Model* EngineTest::model_ = nullptr;

TEST_F(EngineTest, TellsWhatEachSequenceIsAt) {
  const SequenceId sequence = driver_.Submit(Prompt(20, 7));
  std::vector<SequenceReport> reports;
  ASSERT_TRUE(driver_.engine().Inspect(
      [&](std::vector<SequenceReport> told) { reports = std::move(told); }));

  driver_.RunUntilIdle();

  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].sequence, sequence);
  EXPECT_EQ(reports[0].state, "waiting");
  EXPECT_EQ(reports[0].prompt_tokens, 20);
  EXPECT_EQ(reports[0].blocks, 0);
}

TEST_F(EngineTest, EndsAtMaxTokensWithLength) {
  const SequenceId sequence = driver_.Submit(Prompt(20, 7));
  driver_.RunUntilIdle();
  const auto& log = driver_.log(sequence);
  ASSERT_EQ(log.tokens.size(), 7);
  EXPECT_EQ(log.finish, FinishReason::kLength);
  EXPECT_EQ(log.outputs.front().position, 20);
  EXPECT_EQ(log.outputs.back().position, 26);
  EXPECT_EQ(driver_.counts().used, 0);
}

TEST_F(EngineTest, EndsAtTheContextWithLength) {
  const SequenceId sequence = driver_.Submit(Prompt(250, 100));
  driver_.RunUntilIdle();
  EXPECT_EQ(driver_.log(sequence).tokens.size(), 6);
  EXPECT_EQ(driver_.log(sequence).finish, FinishReason::kLength);
}

TEST_F(EngineTest, EndsAtAStopTokenAndReportsIt) {
  const auto expected = ExpectedTokens(*model_, Prompt(20, 12));
  Request request = Prompt(20, 12);
  request.sampling.stop_token_ids = {expected[5]};
  const SequenceId sequence = driver_.Submit(request);
  driver_.RunUntilIdle();
  const auto& log = driver_.log(sequence);
  EXPECT_EQ(log.finish, FinishReason::kStop);
  EXPECT_EQ(log.tokens.back(), expected[5]);
  EXPECT_LE(log.tokens.size(), 6);
}

TEST_F(EngineTest, DrawsNoStopTokenBeforeMinTokens) {
  Request request = Prompt(20, 12);
  request.sampling.stop_token_ids = ExpectedTokens(*model_, request);
  request.sampling.min_tokens = 8;
  const SequenceId sequence = driver_.Submit(request);
  driver_.RunUntilIdle();
  EXPECT_GT(driver_.log(sequence).tokens.size(), 8);
}

TEST_F(EngineTest, EndsAtTheModelsEndTokenUnlessToldToIgnoreIt) {
  testing_support::TemporaryFolder folder;
  const TokenId end = ExpectedTokens(*model_, Prompt(20, 4))[2];
  testing_support::WriteTinyModel(folder.path(), {.eos_token = end});
  const auto model = *model::Model::Load(folder.path());
  Request request = Prompt(20, 12);
  EXPECT_EQ(ExpectedTokens(*model, request).size(), 12);
  request.sampling.ignore_eos = false;
  EXPECT_LE(ExpectedTokens(*model, request).size(), 3);
}

TEST_F(EngineTest, ContinuesAResumedRequestAsIfItHadNeverStopped) {
  Request request = Prompt(20, 30);
  request.sampling.temperature = 1;
  request.sampling.frequency_penalty = 0.5f;
  request.sampling.repetition_penalty = 1.3f;
  const auto expected = ExpectedTokens(*model_, request);
  request.prompt.insert(request.prompt.end(), expected.begin(), expected.begin() + 11);
  request.emitted_tokens = 11;
  const SequenceId sequence = driver_.Submit(request);
  driver_.RunUntilIdle();
  EXPECT_EQ(driver_.log(sequence).tokens,
            std::vector<TokenId>(expected.begin() + 11, expected.end()));
}

TEST_F(EngineTest, ReportsLogprobsOfTheDrawnAndTheMostLikelyTokens) {
  Request request = Prompt(20, 3);
  request.sampling.logprobs = 4;
  const SequenceId sequence = driver_.Submit(request);
  driver_.RunUntilIdle();
  for (const TokenOutput& output : driver_.log(sequence).outputs) {
    ASSERT_EQ(output.top_logprobs.size(), 4);
    EXPECT_EQ(output.top_logprobs[0].token, output.token);
    EXPECT_EQ(output.top_logprobs[0].logprob, output.logprob);
    EXPECT_GE(output.top_logprobs[0].logprob, output.top_logprobs[3].logprob);
  }
}

TEST_F(EngineTest, ReportsCachedTokensOnTheFirstTokenOnly) {
  driver_.Submit(Prompt(40, 1));
  driver_.RunUntilIdle();
  const SequenceId sequence = driver_.Submit(Prompt(50, 3));
  driver_.RunUntilIdle();
  const auto& outputs = driver_.log(sequence).outputs;
  EXPECT_EQ(outputs[0].cached_tokens, 32);
  EXPECT_EQ(outputs[1].cached_tokens, 0);
  EXPECT_EQ(driver_.engine().Stats().prefix_hit_tokens, 32);
}

TEST_F(EngineTest, SharesNoPrefixBetweenSalts) {
  driver_.Submit(Prompt(40, 1));
  driver_.RunUntilIdle();
  Request request = Prompt(50, 3);
  request.cache_salt = 7;
  const SequenceId sequence = driver_.Submit(request);
  driver_.RunUntilIdle();
  EXPECT_EQ(driver_.log(sequence).outputs[0].cached_tokens, 0);
}

TEST_F(EngineTest, RefusesWhatCanNeverRunWithTheNumbers) {
  EXPECT_THAT(FailureOf(Prompt(0, 1)).message(), HasSubstr("no tokens"));
  EXPECT_THAT(FailureOf(Prompt(256, 1)).message(), HasSubstr("256"));
  Request request = Prompt(4, 1);
  request.prompt[2] = 96;
  EXPECT_THAT(FailureOf(request).message(), HasSubstr("token 96"));
  request = Prompt(4, 1);
  request.sampling.top_p = 2;
  EXPECT_THAT(FailureOf(request).message(), HasSubstr("top_p"));
  request = Prompt(4, 1);
  request.emitted_tokens = 4;
  EXPECT_THAT(FailureOf(request).message(), HasSubstr("emitted_tokens"));
  EXPECT_EQ(driver_.counts(), (kv::BlockCounts{.free = 64}));
}

TEST_F(EngineTest, RefusesAPromptLargerThanThePool) {
  EngineDriver driver(*model_, {.blocks = 4});
  const SequenceId sequence = driver.Submit(Prompt(65, 1));
  driver.RunUntilIdle();
  ASSERT_TRUE(driver.log(sequence).failed.has_value());
  EXPECT_EQ(driver.log(sequence).failed->code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(driver.log(sequence).failed->message(), HasSubstr("5 KV blocks"));
}

TEST_F(EngineTest, FreesACancelledSequenceInTheNextStep) {
  const SequenceId sequence = driver_.Submit(Prompt(20, 100));
  for (int i = 0; i < 5; ++i) driver_.engine().Step();
  const size_t tokens = driver_.log(sequence).tokens.size();
  EXPECT_TRUE(driver_.engine().Cancel(sequence));
  EXPECT_FALSE(driver_.engine().Step());
  EXPECT_EQ(driver_.counts().used, 0);
  EXPECT_EQ(driver_.log(sequence).tokens.size(), tokens);
  EXPECT_TRUE(driver_.engine().Cancel(sequence));
  EXPECT_FALSE(driver_.engine().Step());
}

TEST_F(EngineTest, CutsAPrefillShortWhenItIsCancelled) {
  EngineDriver driver(*model_, {.engine = {.step_tokens = 16, .running_sequences = 4}});
  const SequenceId sequence = driver.Submit(Prompt(200, 10));
  EXPECT_TRUE(driver.engine().Step());
  EXPECT_TRUE(driver.engine().Cancel(sequence));
  EXPECT_FALSE(driver.engine().Step());
  EXPECT_EQ(driver.counts().used, 0);
}

TEST_F(EngineTest, TakesNoMoreThanTheTokenBudgetInAStep) {
  EngineDriver driver(
      *model_, {.engine = {.step_tokens = 24, .running_sequences = 8, .prefix_cache = false}});
  for (int i = 0; i < 6; ++i) driver.Submit(Prompt(50 + i, 5));
  driver.RunUntilIdle();
  const EngineStats stats = driver.engine().Stats();
  EXPECT_EQ(stats.generated_tokens, 30);
  EXPECT_GE(stats.steps, 300 / 24);
}

/// Logits of NaN, as a broken device gives.
void DamagedLinear(const ops::LinearParams& params, device::Stream& stream) {
  kernels::CpuOps().linear(params, stream);
  if (params.N != 96) return;
  for (int64_t i = 0; i < params.T * params.N; ++i) {
    static_cast<float*>(params.y)[i] = std::numeric_limits<float>::quiet_NaN();
  }
}

TEST_F(EngineTest, EndsASequenceWithoutFiniteLogitsAsAWorkersFault) {
  ops::Ops damaged = kernels::CpuOps();
  damaged.linear = DamagedLinear;
  EngineDriver driver(*model_, {}, damaged);
  const SequenceId sequence = driver.Submit(Prompt(20, 5));
  driver.RunUntilIdle();
  ASSERT_TRUE(driver.log(sequence).failed.has_value());
  EXPECT_EQ(driver.log(sequence).failed->code(), StatusCode::kInternal);
  EXPECT_EQ(driver.log(sequence).failed->blast(), Blast::kWorker);
  EXPECT_TRUE(driver.log(sequence).tokens.empty());
  EXPECT_EQ(driver.counts().used, 0);
}

TEST_F(EngineTest, ShowsWhetherItHasWorkAndGetsAhead) {
  StepEngine& engine = driver_.engine();
  EXPECT_FALSE(engine.Progress().busy);
  driver_.Submit(Prompt(4, 3));
  EXPECT_TRUE(engine.Progress().busy);
  const uint64_t before = engine.Progress().turns;
  EXPECT_TRUE(engine.Step());
  EXPECT_TRUE(engine.Progress().busy) << "another step follows";
  EXPECT_GT(engine.Progress().turns, before);
  driver_.RunUntilIdle();
  EXPECT_FALSE(engine.Progress().busy);
}

/// What the engine says of itself within a step.
const StepEngine* stepping = nullptr;
std::atomic<bool> busy_within{false};
void AskingLinear(const ops::LinearParams& params, device::Stream& stream) {
  busy_within = busy_within || stepping->Progress().busy;
  kernels::CpuOps().linear(params, stream);
}

TEST_F(EngineTest, ShowsWithinItsFirstStepThatItHasWork) {
  ops::Ops asking = kernels::CpuOps();
  asking.linear = AskingLinear;
  EngineDriver driver(*model_, {}, asking);
  stepping = &driver.engine();
  driver.Submit(Prompt(4, 1));
  driver.RunUntilIdle();
  EXPECT_TRUE(busy_within);
}

TEST_F(EngineTest, RefusesOptionsThatCanNeverServe) {
  const auto error = [&](const EngineOptions& options) {
    return Engine::Create(options, *model_, driver_.runner(), driver_, driver_.clock())
        .status()
        .message();
  };
  EXPECT_THAT(error({.step_tokens = 0}), HasSubstr("step_tokens"));
  EXPECT_THAT(error({.step_tokens = 8, .running_sequences = 9}), HasSubstr("running_sequences"));
  EXPECT_THAT(error({.context_tokens = 257}),
              HasSubstr("context_tokens must be between 2 and 256"));
}

TEST_F(EngineTest, RefusesSubmissionsWhenTooManyAreQueued) {
  EngineDriver driver(*model_, {.engine = {.running_sequences = 1, .waiting_sequences = 2}});
  EXPECT_TRUE(driver.engine().Submit({.sequence = SequenceId{1}, .request = Prompt(4, 9)}));
  EXPECT_TRUE(driver.engine().Submit({.sequence = SequenceId{2}, .request = Prompt(4, 9)}));
  EXPECT_FALSE(driver.engine().Submit({.sequence = SequenceId{3}, .request = Prompt(4, 9)}));
  EXPECT_TRUE(driver.engine().Cancel(SequenceId{1})) << "an end must get through";
}

/// Opens a gate at the last token.
class GateListener final : public EngineListener {
 public:
  void OnToken(SequenceId, TokenOutput output) override {
    if (output.finish != FinishReason::kNone) done.Open();
  }
  void OnFailed(SequenceId, Status status) override {
    failure = std::move(status);
    done.Open();
  }
  void OnBlocks(SequenceId, PromptBlocks) override {}
  void OnKvReady(SequenceId, int32_t, int32_t, int32_t) override {}
  void OnPrefilled(SequenceId, TokenOutput) override {}
  Gate done;
  Status failure;
};

TEST_F(EngineTest, WakesForAPostAndFailsWhatIsLeftWhenStopped) {
  GateListener first;
  const auto engine = *Engine::Create({}, *model_, driver_.runner(), first, Clock::System());
  std::jthread thread([&](std::stop_token stop) { engine->Run(stop); });
  ASSERT_TRUE(engine->Submit({.sequence = SequenceId{1}, .request = Prompt(20, 5)}));
  EXPECT_TRUE(first.done.Wait(std::chrono::seconds(20)));
  ASSERT_TRUE(
      engine->Submit({.sequence = SequenceId{2}, .request = Prompt(20, 5), .goal = Goal::kDecode}));
  thread.request_stop();
  thread.join();
  EXPECT_EQ(first.failure.code(), StatusCode::kUnavailable);
  EXPECT_FALSE(engine->Submit({.sequence = SequenceId{3}, .request = Prompt(4, 9)}));
}

}  // namespace
}  // namespace baton::engine
