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
  /// For each step that was begun beside another: what the first device had not done of that one
  /// yet, and how often the host waited for any while the step was begun.
  std::vector<uint64_t> pending;
  std::vector<uint64_t> waits;
  /// Called before the engine hears of a call, with the calls so far.
  std::function<void()> hook = [] {};
};

/// By rank.
using LateDevices = std::vector<std::unique_ptr<device::LateDevice>>;

class SpiedRunner final : public model::StepRunner {
 public:
  SpiedRunner(std::unique_ptr<StepRunner> runner, Calls& calls, const LateDevices& devices)
      : runner_(std::move(runner)), calls_(calls), devices_(devices) {}

  const model::StepLimits& limits() const override { return runner_->limits(); }
  int32_t blocks() const override { return runner_->blocks(); }
  int32_t block_tokens() const override { return runner_->block_tokens(); }
  bool asynchronous() const override { return runner_->asynchronous(); }
  Status RecordAndWait(const OnRecorded& on_recorded) override {
    return runner_->RecordAndWait(on_recorded);
  }
  void Begin(const model::StepInput& input, OnLayers on_layers) override {
    const uint64_t pending = devices_.front()->pending();
    const uint64_t waits = Waits();
    runner_->Begin(input, std::move(on_layers));
    if (under_way_++ > 0) {
      calls_.pending.push_back(pending);
      calls_.waits.push_back(Waits() - waits);
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
  uint64_t Waits() const {
    uint64_t waits = 0;
    for (const auto& device : devices_) waits += device->waits();
    return waits;
  }
  void Note(char call) {
    calls_.letters += call;
    calls_.hook();
  }

  const std::unique_ptr<StepRunner> runner_;
  Calls& calls_;
  const LateDevices& devices_;
  int under_way_ = 0;
};

/// With so many tensor-parallel ranks.
class Overlap : public testing::TestWithParam<int32_t> {
 protected:
  Overlap() {
    testing_support::WriteTinyModel(folder_.path());
    for (int32_t rank = 0; rank < GetParam(); ++rank) {
      late_.push_back(std::make_unique<device::LateDevice>(static_cast<uint64_t>(rank) + 1));
      host_models_.push_back(
          *model::Model::Load(folder_.path(), {.rank = rank, .ranks = GetParam()}));
      models_.push_back(*model::Model::Load(
          folder_.path(), {.memory = late_.back().get(), .rank = rank, .ranks = GetParam()}));
      if (rank == 0) continue;
      host_options_.other_shards.push_back(host_models_.back().get());
      options_.other_shards.push_back(models_.back().get());
      options_.other_devices.push_back(late_.back().get());
    }
    options_.device = late_.front().get();
    for (DriverOptions* options : {&options_, &host_options_}) {
      options->block_tokens = 4;
      options->wrap = [this](std::unique_ptr<model::StepRunner> runner) {
        return std::make_unique<SpiedRunner>(std::move(runner), calls_, late_);
      };
    }
  }

  std::vector<TokenId> Expected(const Request& request) {
    return ExpectedTokens(*host_models_[0], request, DType::kBFloat16, host_options_.other_shards);
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
    const auto tokens = Expected(request);
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
  LateDevices late_;
  std::vector<std::unique_ptr<model::Model>> host_models_;
  std::vector<std::unique_ptr<model::Model>> models_;
  Calls calls_;
  DriverOptions options_;
  /// On the CPU.
  DriverOptions host_options_;
};

TEST_P(Overlap, BeginsAStepWithoutWaitingForTheOneBefore) {
  EngineDriver driver(*models_[0], options_);
  const SequenceId sequence = driver.Submit(Prompt(10, 4));
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(sequence).tokens, Expected(Prompt(10, 4)));
  // The last token is known to be the last.
  EXPECT_EQ(calls_.letters, "BDBFDBFDBFDF");
  EXPECT_THAT(calls_.pending, testing::Each(testing::Gt(0)));
  EXPECT_THAT(calls_.waits, testing::ElementsAre(0, 0, 0));
}

TEST_P(Overlap, FinishesEachStepFirstWhereTheDeviceIsSynchronousOrItIsToldTo) {
  options_.engine.overlap = engine::Overlap::kNever;
  EngineDriver never(*models_[0], options_);
  never.Submit(Prompt(10, 3));
  never.RunUntilIdle();
  EXPECT_EQ(std::exchange(calls_.letters, ""), "BDFBDFBDF");
  EngineDriver synchronous(*host_models_[0], host_options_);
  synchronous.Submit(Prompt(10, 3));
  synchronous.RunUntilIdle();
  EXPECT_EQ(calls_.letters, "BDFBDFBDF");
}

TEST_P(Overlap, PlansAheadWhereRowsNeedTheLastTokenOnTheHost) {
  Request request = Prompt(10, 5);
  request.grammar = "2 9 3";
  request.sampling.repetition_penalty = 1.3f;
  request.sampling.frequency_penalty = 0.4f;
  EngineDriver driver(*models_[0], options_);
  const SequenceId sequence = driver.Submit(request);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(sequence).tokens, Expected(request));
  EXPECT_THAT(calls_.letters, testing::StartsWith("BDBFDBFD"));
}

TEST_P(Overlap, ThrowsAwayWhatIsDrawnBehindTheEnd) {
  const Request request = Stopping(6);
  EngineDriver driver(*models_[0], options_);
  const SequenceId sequence = driver.Submit(request);
  driver.RunUntilIdle();
  EXPECT_EQ(driver.log(sequence).tokens, Expected(request));
  EXPECT_EQ(driver.log(sequence).finish, FinishReason::kStop);
  EXPECT_EQ(std::count(calls_.letters.begin(), calls_.letters.end(), 'B'), 7) << "one in vain";
  EXPECT_EQ(driver.engine().Stats().generated_tokens, 6);
  ExpectAllReturned(driver);
}

TEST_P(Overlap, CachesNoMorePrefixThanAnEngineThatWaits) {
  for (int32_t n = 1; n <= 8; ++n) {
    EngineDriver overlapping(*models_[0], options_);
    DriverOptions options = options_;
    options.engine.overlap = engine::Overlap::kNever;
    EngineDriver waiting(*models_[0], options);
    for (EngineDriver* driver : {&overlapping, &waiting}) {
      driver->Submit(Stopping(n));
      driver->RunUntilIdle();
    }
    EXPECT_EQ(overlapping.counts().cached, waiting.counts().cached) << n << " tokens";
  }
}

TEST_P(Overlap, KeepsTheBlocksOfACancelledSequenceUntilNoStepWritesThem) {
  EngineDriver driver(*models_[0], options_);
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

TEST_P(Overlap, ReleasesAPrefillThatIsUnderWayOnlyBehindItsStep) {
  options_.engine.step_tokens = 8;
  options_.engine.running_sequences = 2;
  EngineDriver driver(*models_[0], options_);
  const SequenceId sequence = driver.Submit(Prompt(30, 1), Goal::kPrefill);
  driver.engine().Step();
  driver.engine().Release(sequence);
  calls_.hook = [&] { EXPECT_GT(driver.counts().used, 0); };
  driver.RunUntilIdle();
  EXPECT_FALSE(driver.log(sequence).prefilled.has_value());
  calls_.hook = [] {};
  ExpectAllReturned(driver);
}

TEST_P(Overlap, FailsEverySequenceOnceWhenTheDeviceFailsUnderTwoSteps) {
  EngineDriver driver(*models_[0], options_);
  const SequenceId first = driver.Submit(Prompt(10, 20));
  driver.engine().Step();
  const SequenceId second = driver.Submit(Prompt(9, 20));
  calls_.hook = [&] {
    if (calls_.letters == "BDB") late_.back()->Fail();
  };
  driver.RunUntilIdle();
  for (const SequenceId sequence : {first, second}) {
    ASSERT_TRUE(driver.log(sequence).failed.has_value());
    EXPECT_EQ(driver.log(sequence).failed->blast(), Blast::kWorker);
  }
  ExpectAllReturned(driver);
}

TEST_P(Overlap, FinishesWhatIsUnderWayBeforeItStops) {
  EngineDriver driver(*models_[0], options_);
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

INSTANTIATE_TEST_SUITE_P(Ranks, Overlap, testing::Values(1, 2));

}  // namespace
}  // namespace baton::engine
