// A step is begun before the one before it is finished.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/engine_driver.h"
#include "support/tiny_model.h"

namespace baton::engine {
namespace {

using testing_support::DriverOptions;
using testing_support::EngineDriver;
using testing_support::ExpectedTokens;

/// What an engine asked of its runner, a letter for each call.
struct Calls {
  std::string letters;
  /// For each step that was begun beside another: what the device had not done of that one yet, and
  /// how often the host waited while the step was begun.
  std::vector<uint64_t> pending;
  std::vector<uint64_t> waits;
  /// Called before the engine hears of a call, with the calls so far.
  std::function<void()> hook = [] {};
};

class SpiedRunner final : public model::StepRunner {
 public:
  SpiedRunner(std::unique_ptr<StepRunner> runner, Calls& calls, const device::LateDevice& device)
      : runner_(std::move(runner)), calls_(calls), device_(device) {}

  const model::StepLimits& limits() const override { return runner_->limits(); }
  int32_t blocks() const override { return runner_->blocks(); }
  int32_t block_tokens() const override { return runner_->block_tokens(); }
  bool asynchronous() const override { return runner_->asynchronous(); }
  bool takes_drawn() const override { return runner_->takes_drawn(); }
  void Begin(const model::StepInput& input, OnLayers on_layers) override {
    const uint64_t pending = device_.pending();
    const uint64_t waits = device_.waits();
    runner_->Begin(input, std::move(on_layers));
    if (under_way_++ > 0) {
      calls_.pending.push_back(pending);
      calls_.waits.push_back(device_.waits() - waits);
    }
    Note('B');
  }
  void Draw(std::span<const ops::SampleRow> rows) override {
    runner_->Draw(rows);
    Note('D');
  }
  void Poll() override { runner_->Poll(); }
  Result<model::StepOutput> FinishAndWait() override {
    auto output = runner_->FinishAndWait();
    --under_way_;
    Note('F');
    return output;
  }

 private:
  void Note(char call) {
    calls_.letters += call;
    calls_.hook();
  }

  const std::unique_ptr<StepRunner> runner_;
  Calls& calls_;
  const device::LateDevice& device_;
  int under_way_ = 0;
};

class OverlapTest : public testing::Test {
 protected:
  OverlapTest() {
    testing_support::WriteTinyModel(folder_.path());
    host_model_ = *model::Model::Load(folder_.path());
    model_ = *model::Model::Load(folder_.path(), {.memory = &late_});
    options_.device = &late_;
    options_.block_tokens = 4;
    options_.wrap = [this](std::unique_ptr<model::StepRunner> runner) {
      return std::make_unique<SpiedRunner>(std::move(runner), calls_, late_);
    };
  }

  static Request Prompt(int32_t tokens, int32_t max_tokens) {
    Request request{.id = "r"};
    for (int32_t i = 0; i < tokens; ++i) request.prompt.push_back((i * 31 + 5) % 96);
    request.sampling = {.temperature = 0, .max_tokens = max_tokens, .ignore_eos = true};
    return request;
  }
  /// A request that ends with its `n`th token, which a stop token makes the last.
  Request Stopping(int32_t n) {
    Request request = Prompt(10, 30);
    const auto tokens = ExpectedTokens(*host_model_, request);
    const TokenId last = tokens[static_cast<size_t>(n) - 1];
    EXPECT_EQ(std::find(tokens.begin(), tokens.end(), last) - tokens.begin(), n - 1);
    request.sampling.stop_token_ids = {last};
    return request;
  }
  void ExpectAllReturned(EngineDriver& driver) {
    EXPECT_EQ(driver.counts().used, 0);
    EXPECT_TRUE(driver.engine().sequences().empty());
    EXPECT_TRUE(driver.engine().ending().empty());
  }

  testing_support::TemporaryFolder folder_;
  device::LateDevice late_;
  std::unique_ptr<model::Model> host_model_;
  std::unique_ptr<model::Model> model_;
  Calls calls_;
  DriverOptions options_;
};

TEST_F(OverlapTest, BeginsAStepWithoutWaitingForTheOneBefore) {
  EngineDriver driver(*model_, options_);
  const SequenceId sequence = driver.Submit(Prompt(10, 4));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(sequence).tokens, ExpectedTokens(*host_model_, Prompt(10, 4)));
  // The last token is known to be the last.
  EXPECT_EQ(calls_.letters, "BDBFDBFDBFDF");
  EXPECT_THAT(calls_.pending, testing::Each(testing::Gt(0)));
  EXPECT_THAT(calls_.waits, testing::ElementsAre(0, 0, 0));
}

TEST_F(OverlapTest, FinishesEachStepFirstWhereTheDeviceIsSynchronousOrItIsToldTo) {
  options_.engine.overlap = Overlap::kNever;
  EngineDriver never(*model_, options_);
  never.Submit(Prompt(10, 3));
  never.RunUntilIdle();
  EXPECT_EQ(std::exchange(calls_.letters, ""), "BDFBDFBDF");
  options_.engine.overlap = Overlap::kWhereItGains;
  options_.device = nullptr;
  EngineDriver synchronous(*host_model_, options_);
  synchronous.Submit(Prompt(10, 3));
  synchronous.RunUntilIdle();
  EXPECT_EQ(calls_.letters, "BDFBDFBDF");
}

TEST_F(OverlapTest, PlansAheadWhereRowsNeedTheLastTokenOnTheHost) {
  Request request = Prompt(10, 5);
  request.grammar = "2 9 3";
  request.sampling.repetition_penalty = 1.3f;
  request.sampling.frequency_penalty = 0.4f;
  EngineDriver driver(*model_, options_);
  const SequenceId sequence = driver.Submit(request);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(sequence).tokens, ExpectedTokens(*host_model_, request));
  EXPECT_THAT(calls_.letters, testing::StartsWith("BDBFDBFD"));
}

TEST_F(OverlapTest, ThrowsAwayWhatIsDrawnBehindTheEnd) {
  const Request request = Stopping(6);
  EngineDriver driver(*model_, options_);
  const SequenceId sequence = driver.Submit(request);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(sequence).tokens, ExpectedTokens(*host_model_, request));
  EXPECT_EQ(driver.log(sequence).finish, FinishReason::kStop);
  EXPECT_EQ(std::count(calls_.letters.begin(), calls_.letters.end(), 'B'), 7) << "one in vain";
  EXPECT_EQ(driver.engine().Stats().generated_tokens, 6);
  ExpectAllReturned(driver);
}

TEST_F(OverlapTest, CachesNoMorePrefixThanAnEngineThatWaits) {
  for (int32_t n = 1; n <= 8; ++n) {
    EngineDriver overlapping(*model_, options_);
    DriverOptions options = options_;
    options.engine.overlap = Overlap::kNever;
    EngineDriver waiting(*model_, options);
    for (EngineDriver* driver : {&overlapping, &waiting}) {
      driver->Submit(Stopping(n));
      driver->RunUntilIdle();
    }
    EXPECT_EQ(overlapping.counts().cached, waiting.counts().cached) << n << " tokens";
  }
}

TEST_F(OverlapTest, KeepsTheBlocksOfACancelledSequenceUntilNoStepWritesThem) {
  EngineDriver driver(*model_, options_);
  const SequenceId sequence = driver.Submit(Prompt(10, 20));
  for (int i = 0; i < 3; ++i) driver.engine().Step();
  const int32_t used = driver.counts().used;
  ASSERT_GT(used, 0);
  driver.engine().Cancel(sequence);
  calls_.hook = [&] {
    EXPECT_EQ(driver.counts().used, used) << "while the step that was under way is not finished";
    EXPECT_EQ(driver.engine().ending().size(), 1);
  };
  EXPECT_TRUE(driver.engine().Step());
  calls_.hook = [] {};
  EXPECT_EQ(calls_.letters.back(), 'F');
  EXPECT_EQ(driver.log(sequence).tokens.size(), 2) << "and nothing after the end";
  ExpectAllReturned(driver);
}

TEST_F(OverlapTest, ReleasesAPrefillThatIsUnderWayOnlyBehindItsStep) {
  options_.engine.step_tokens = 8;
  options_.engine.running_sequences = 2;
  EngineDriver driver(*model_, options_);
  const SequenceId sequence = driver.Submit(Prompt(30, 1), Goal::kPrefill);
  driver.engine().Step();
  driver.engine().Release(sequence);
  calls_.hook = [&] { EXPECT_GT(driver.counts().used, 0); };
  driver.RunUntilIdle();
  EXPECT_FALSE(driver.log(sequence).prefilled.has_value());
  calls_.hook = [] {};
  ExpectAllReturned(driver);
}

TEST_F(OverlapTest, FailsEverySequenceOnceWhenTheDeviceFailsUnderTwoSteps) {
  EngineDriver driver(*model_, options_);
  const SequenceId first = driver.Submit(Prompt(10, 20));
  driver.engine().Step();
  const SequenceId second = driver.Submit(Prompt(9, 20));
  calls_.hook = [&] {
    if (calls_.letters == "BDB") late_.Fail();
  };
  driver.RunUntilIdle();
  for (const SequenceId sequence : {first, second}) {
    ASSERT_TRUE(driver.log(sequence).failed.has_value());
    EXPECT_EQ(driver.log(sequence).failed->blast(), Blast::kWorker);
  }
  ExpectAllReturned(driver);
}

TEST_F(OverlapTest, FinishesWhatIsUnderWayBeforeItStops) {
  EngineDriver driver(*model_, options_);
  const SequenceId sequence = driver.Submit(Prompt(10, 100));
  std::stop_source stop;
  calls_.hook = [&] {
    if (calls_.letters.size() > 10) stop.request_stop();
  };
  driver.engine().Run(stop.get_token());
  EXPECT_EQ(std::count(calls_.letters.begin(), calls_.letters.end(), 'B'),
            std::count(calls_.letters.begin(), calls_.letters.end(), 'F'));
  EXPECT_EQ(driver.log(sequence).failed->code(), StatusCode::kUnavailable);
  ExpectAllReturned(driver);
}

}  // namespace
}  // namespace baton::engine
