// The goals kPrefill and kDecode, as a hand-off between workers uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/engine_driver.h"
#include "support/tiny_model.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using testing_support::DriverOptions;
using testing_support::EngineDriver;
using testing_support::ExpectedTokens;
using testing_support::SequenceLog;

class HandoffGoals : public testing::Test {
 protected:
  HandoffGoals() {
    testing_support::WriteTinyModel(folder_.path(), {.layers = 3});
    model_ = *model::Model::Load(folder_.path());
    DriverOptions options;
    options.engine = {.step_tokens = 16, .running_sequences = 8, .layer_group = 2};
    driver_ = std::make_unique<EngineDriver>(*model_, options);
    driver_->kv_ready = [this](SequenceId, int32_t begin, int32_t end, int32_t tokens) {
      ready_.push_back({begin, end, tokens});
    };
  }
  static Request Prompt(int32_t tokens, int32_t max_tokens = 5) {
    Request request{.id = "r"};
    for (int32_t i = 0; i < tokens; ++i) request.prompt.push_back((i * 31 + 5) % 96);
    request.sampling = {.temperature = 0, .max_tokens = max_tokens, .ignore_eos = true};
    return request;
  }
  SequenceId Reserve(int32_t tokens) {
    const SequenceId sequence = driver_->Submit(Prompt(tokens), Goal::kDecode);
    driver_->RunUntilIdle();
    return sequence;
  }
  Engine& engine() { return driver_->engine(); }
  SequenceLog& log(SequenceId sequence) { return driver_->log(sequence); }
  kv::BlockCounts CountsAfterStep() {
    driver_->RunUntilIdle();
    return driver_->counts();
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<EngineDriver> driver_;
  std::vector<std::vector<int32_t>> ready_;
};

TEST_F(HandoffGoals, PrefillReportsItsKvByLayerGroupAndChunk) {
  const SequenceId sequence = driver_->Submit(Prompt(35), Goal::kPrefill);
  driver_->RunUntilIdle();
  EXPECT_THAT(ready_,
              ElementsAre(ElementsAre(0, 2, 16), ElementsAre(2, 3, 16), ElementsAre(0, 2, 32),
                          ElementsAre(2, 3, 32), ElementsAre(0, 2, 35), ElementsAre(2, 3, 35)));
  ASSERT_TRUE(log(sequence).prefilled.has_value());
  EXPECT_EQ(log(sequence).prefilled->token, ExpectedTokens(*model_, Prompt(35))[0]);
  EXPECT_TRUE(log(sequence).tokens.empty());
}

TEST_F(HandoffGoals, PrefillReportsCachedKvAtOnce) {
  driver_->Submit(Prompt(35, 1));
  driver_->RunUntilIdle();
  const SequenceId sequence = driver_->Submit(Prompt(40), Goal::kPrefill);
  driver_->RunUntilIdle();
  EXPECT_EQ(log(sequence).blocks->cached_tokens, 32);
  EXPECT_EQ(log(sequence).prefilled->cached_tokens, 32);
  EXPECT_THAT(ready_,
              ElementsAre(ElementsAre(0, 3, 32), ElementsAre(0, 2, 40), ElementsAre(2, 3, 40)));
}

TEST_F(HandoffGoals, PrefillKeepsItsBlocksUntilReleased) {
  const SequenceId sequence = driver_->Submit(Prompt(35), Goal::kPrefill);
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 61, .used = 3}));
  engine().Cancel(sequence);
  EXPECT_EQ(CountsAfterStep().used, 3);
  engine().Release(sequence);
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 62, .cached = 2}));
}

TEST_F(HandoffGoals, ACancelledPrefillStopsAndKeepsItsBlocksUntilReleased) {
  const SequenceId sequence = driver_->Submit(Prompt(100), Goal::kPrefill);
  engine().Cancel(sequence);
  driver_->engine().Step();
  EXPECT_FALSE(log(sequence).blocks.has_value()) << "cancelled before it had any";
  const SequenceId second = driver_->Submit(Prompt(100), Goal::kPrefill);
  driver_->engine().Step();
  engine().Cancel(second);
  EXPECT_EQ(CountsAfterStep().used, 7);
  EXPECT_FALSE(log(second).prefilled.has_value());
  engine().Release(second);
  EXPECT_EQ(CountsAfterStep().used, 0);
}

TEST_F(HandoffGoals, DecodeIsNotScheduledBeforeItsCommit) {
  const SequenceId sequence = Reserve(35);
  EXPECT_EQ(log(sequence).blocks->blocks.size(), 3);
  EXPECT_EQ(engine().Stats().steps, 0);
  EXPECT_EQ(engine().Stats().running, 1);
  EXPECT_TRUE(log(sequence).tokens.empty());
}

TEST_F(HandoffGoals, DecodeNamesNoBlockAsPrefixBeforeItsCommit) {
  const SequenceId first = Reserve(35);
  const SequenceId second = Reserve(35);
  EXPECT_EQ(log(second).blocks->cached_tokens, 0);
  engine().Commit(first, {.token = 7, .position = 35});
  driver_->engine().Step();
  const SequenceId third = Reserve(35);
  EXPECT_EQ(log(third).blocks->cached_tokens, 32);
}

TEST_F(HandoffGoals, AFailedHandoffQuarantinesUntilReleased) {
  const SequenceId sequence = Reserve(35);
  engine().FailHandoff(sequence, Unavailable("the peer is gone"));
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 61, .quarantined = 3}));
  EXPECT_EQ(log(sequence).failed, Unavailable("the peer is gone"));
  engine().Release(sequence);
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 64}));
}

TEST_F(HandoffGoals, ACommitThatComesAfterTheEndReleasesAndDecodesNothing) {
  const SequenceId sequence = Reserve(35);
  engine().Cancel(sequence);
  EXPECT_EQ(CountsAfterStep().quarantined, 3);
  engine().Commit(sequence, {.token = 7, .position = 35});
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 64}));
  EXPECT_TRUE(log(sequence).tokens.empty());
}

TEST_F(HandoffGoals, ACancelledReservationQuarantinesOnlyWhatThePeerMayWrite) {
  driver_->Submit(Prompt(35, 1));
  driver_->RunUntilIdle();
  const SequenceId sequence = Reserve(60);
  EXPECT_EQ(log(sequence).blocks->cached_tokens, 32);
  engine().Cancel(sequence);
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 60, .cached = 2, .quarantined = 2}));
  EXPECT_FALSE(log(sequence).ended());
  engine().Release(sequence);
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 62, .cached = 2}));
}

TEST_F(HandoffGoals, AReleaseWithoutACommitFailsTheSequence) {
  const SequenceId sequence = Reserve(35);
  engine().Release(sequence);
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 64}));
  EXPECT_EQ(log(sequence).failed->code(), StatusCode::kAborted);
}

TEST_F(HandoffGoals, ACommitThatCannotBeTrueIsThePeersFaultAndLeavesNoBlockBehind) {
  for (const TokenOutput& first :
       {TokenOutput{.token = 96, .position = 35}, TokenOutput{.token = 3, .position = 34}}) {
    const SequenceId sequence = Reserve(35);
    engine().Commit(sequence, first);
    EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 64}));
    EXPECT_EQ(log(sequence).failed->blast(), Blast::kPeer);
  }
}

TEST_F(HandoffGoals, AFirstTokenThatIsTheLastEndsTheSequence) {
  Request request = Prompt(35, 1);
  const SequenceId sequence = driver_->Submit(request, Goal::kDecode);
  driver_->RunUntilIdle();
  engine().Commit(sequence, {.token = 7, .position = 35});
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 62, .cached = 2}));
  EXPECT_EQ(log(sequence).finish, FinishReason::kLength);
  EXPECT_EQ(engine().Stats().steps, 0);
}

TEST_F(HandoffGoals, DecodePrefillsHereWhenLittleIsMissing) {
  driver_->Submit(Prompt(35, 1));
  driver_->RunUntilIdle();
  const SequenceId local = driver_->Submit(Prompt(40), Goal::kDecode, 8);
  const SequenceId remote = driver_->Submit(Prompt(41), Goal::kDecode, 8);
  driver_->RunUntilIdle();
  EXPECT_FALSE(log(local).blocks.has_value());
  EXPECT_EQ(log(local).tokens, ExpectedTokens(*model_, Prompt(40)));
  EXPECT_TRUE(log(remote).blocks.has_value());
}

TEST_F(HandoffGoals, PrefillsHereInTheReservedBlocksWhenNoPeerWill) {
  const SequenceId sequence = Reserve(35);
  const auto reserved = log(sequence).blocks;
  ASSERT_TRUE(reserved.has_value());
  engine().PrefillHere(sequence);
  driver_->RunUntilIdle();
  EXPECT_EQ(log(sequence).tokens, ExpectedTokens(*model_, Prompt(35)));
  EXPECT_EQ(driver_->counts().quarantined, 0);
}

TEST_F(HandoffGoals, ACancelledSequenceIsNotPrefilledHereAnyMore) {
  const SequenceId sequence = Reserve(35);
  engine().Cancel(sequence);
  engine().PrefillHere(sequence);
  driver_->RunUntilIdle();
  EXPECT_EQ(engine().Stats().steps, 0);
  engine().Release(sequence);
  EXPECT_EQ(CountsAfterStep(), (kv::BlockCounts{.free = 64}));
}

}  // namespace
}  // namespace baton::engine
