#include "baton/model/rank_runner.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"
#include "support/late_device.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr int32_t kBlocks = 12;
constexpr int32_t kBlockTokens = 16;
constexpr StepLimits kLimits{
    .step_tokens = 64, .sequences = 2, .context_tokens = 256, .top_logprobs = 3};

/// A step of two sequences in arrays that are its own: a chunk and, after it, one token each.
struct TwoSequences {
  explicit TwoSequences(int32_t round) {
    for (int32_t s = 0; s < 2; ++s) {
      const int32_t count = round == 0 ? 20 + s : 1;
      for (int32_t i = 0; i < count; ++i) tokens.push_back((7 * i + 13 * s + round) % 96);
      query_begin.push_back(static_cast<int32_t>(tokens.size()));
      kv_tokens.push_back(20 + s + round);
      logit_rows.push_back(static_cast<int32_t>(tokens.size()) - 1);
    }
    for (int32_t i = 0; i < 4; ++i) tables.push_back(3 * i + 1);
    ops::SampleRow row{.seed = 5, .position = 100, .logprobs = 3};
    row.frequency_penalty = 0.5f;
    row.output = output.data();
    row.output_tokens = static_cast<int64_t>(output.size());
    row.mask = mask.data();
    rows = {row, row};
  }

  StepInput Input(bool scores = false) {
    StepInput input{.tokens = tokens,
                    .sequences = {.query_begin = query_begin.data(),
                                  .kv_tokens = kv_tokens.data(),
                                  .block_tables = tables.data(),
                                  .table_stride = 2,
                                  .S = 2,
                                  .T = static_cast<int32_t>(tokens.size())},
                    .logit_rows = logit_rows,
                    .layer_group = 2};
    if (scores) {
      input.scored_rows = scored_rows;
      input.scored = scored;
    }
    return input;
  }

  /// Overwrites everything, as a caller may once a call has returned.
  void Spoil() {
    for (std::vector<int32_t>* array : {&query_begin, &kv_tokens, &tables, &logit_rows}) {
      array->assign(array->size(), -77);
    }
    tokens.assign(tokens.size(), -77);
  }
  void SpoilRows() {
    output.assign(output.size(), -77);
    mask.assign(mask.size(), 0);
    rows.assign(rows.size(), {});
  }

  std::vector<TokenId> tokens;
  std::vector<int32_t> query_begin{0}, kv_tokens, tables, logit_rows;
  std::vector<TokenId> output{1, 2, 3, 3};
  std::vector<uint32_t> mask{0xFFFF00FF, 0xF0F0F0F0, 0xFFFFFFF0};
  std::vector<ops::SampleRow> rows;
  std::vector<int32_t> scored_rows{0, 3, 4, 9, 19};
  std::vector<ops::SampleRow> scored{5, ops::SampleRow{.given = 6, .logprobs = 2}};
};

/// What a step gave, apart from the runner's memory.
struct Given {
  explicit Given(const StepOutput& output) {
    for (const auto& rows : {output.drawn, output.scored}) {
      for (const auto& token : rows.tokens) values.emplace_back(token.token, token.logprob);
    }
    for (const auto& token : output.drawn.top) values.emplace_back(token.token, token.logprob);
  }
  bool operator==(const Given&) const = default;
  std::vector<std::pair<TokenId, float>> values;
};

class RankRunnerTest : public testing::Test {
 protected:
  RankRunnerTest() {
    testing_support::WriteTinyModel(folder_.path(), {.layers = 3});
    model_ = *Model::Load(folder_.path(), {.memory = &late_});
    memory_ = *late_.Allocate(KvBytes());
    cache_ = *kv::KvCache::Create(Geometry(), {memory_.get(), KvBytes()});
    stream_ = late_.MakeStream();
    runner_ = MakeRunner(0);
  }

  std::unique_ptr<RankRunner> MakeRunner(int32_t replayed_rows) {
    return *RankRunner::Create({.model = *model_,
                                .cache = *cache_,
                                .ops = device::LateOps(),
                                .stream = *stream_,
                                .memory = late_,
                                .replayed_rows = replayed_rows},
                               kLimits);
  }

  kv::KvGeometry Geometry() const {
    return {.layers = 3, .kv_heads = 2, .head_dim = 8, .block_tokens = kBlockTokens};
  }
  size_t KvBytes() const { return static_cast<size_t>(Geometry().block_bytes() * kBlocks); }

  /// What the CPU gives for the rounds, one after the other.
  std::vector<Given> Expected(int32_t rounds, bool scores = false) {
    const auto model = *Model::Load(folder_.path());
    device::HostStream stream(1);
    device::HostMemory memory;
    const device::Allocation kv = *memory.Allocate(KvBytes());
    kv::KvCache cache = *kv::KvCache::Create(Geometry(), {kv.get(), KvBytes()});
    const auto runner = *RankRunner::Create({.model = *model,
                                             .cache = cache,
                                             .ops = kernels::CpuOps(),
                                             .stream = stream,
                                             .memory = memory},
                                            kLimits);
    std::vector<Given> given;
    for (int32_t round = 0; round < rounds; ++round) {
      TwoSequences step(round);
      runner->Begin(step.Input(scores), {});
      runner->Draw(step.rows);
      given.emplace_back(*runner->FinishAndWait());
    }
    return given;
  }

  testing_support::TemporaryFolder folder_;
  device::LateDevice late_;
  std::unique_ptr<Model> model_;
  device::Allocation memory_;
  std::optional<kv::KvCache> cache_;
  std::unique_ptr<device::Stream> stream_;
  std::unique_ptr<RankRunner> runner_;
};

TEST_F(RankRunnerTest, ReadsNothingOfTheCallersAfterACallHasReturned) {
  TwoSequences step(0);
  runner_->Begin(step.Input(), {});
  step.Spoil();
  runner_->Draw(step.rows);
  step.SpoilRows();
  EXPECT_EQ(Given(*runner_->FinishAndWait()), Expected(1)[0]);
}

TEST_F(RankRunnerTest, TakesAStepBeforeTheLastOneIsComputed) {
  const auto expected = Expected(3);
  TwoSequences steps[] = {TwoSequences(0), TwoSequences(1), TwoSequences(2)};
  const auto start = [&](TwoSequences& step) {
    runner_->Begin(step.Input(), {});
    step.Spoil();
    runner_->Draw(step.rows);
    step.SpoilRows();
  };
  start(steps[0]);
  start(steps[1]);
  EXPECT_EQ(Given(*runner_->FinishAndWait()), expected[0]);
  start(steps[2]);
  EXPECT_EQ(Given(*runner_->FinishAndWait()), expected[1]);
  EXPECT_EQ(Given(*runner_->FinishAndWait()), expected[2]);
}

TEST_F(RankRunnerTest, TakesTokensThatTheStepBeforeDraws) {
  TwoSequences first(0);
  runner_->Begin(first.Input(), {});
  runner_->Draw(first.rows);
  TwoSequences ahead(1);
  StepInput input = ahead.Input();
  const DrawnToken drawn[] = {{.row = 0, .draw = 1}};
  input.drawn = drawn;
  ahead.tokens[0] = -77;
  runner_->Begin(input, {});
  const TokenId token = runner_->FinishAndWait()->drawn.tokens[1].token;
  runner_->Draw(ahead.rows);
  const Given given(*runner_->FinishAndWait());

  TwoSequences known(1);
  known.tokens[0] = token;
  runner_->Begin(known.Input(), {});
  runner_->Draw(known.rows);
  EXPECT_EQ(given, Given(*runner_->FinishAndWait()));
}

TEST_F(RankRunnerTest, RepeatsWhatItRecordedWithOtherTokensTablesAndContexts) {
  runner_ = MakeRunner(2);
  ASSERT_TRUE(runner_->RecordAndWait({}).ok());
  const uint64_t before = late_.replays();
  const auto expected = Expected(4);
  for (int32_t round = 0; round < 4; ++round) {
    TwoSequences step(round);
    runner_->Begin(step.Input(), {});
    step.Spoil();
    runner_->Draw(step.rows);
    EXPECT_EQ(Given(*runner_->FinishAndWait()), expected[static_cast<size_t>(round)]) << round;
  }
  EXPECT_EQ(late_.replays() - before, 3) << "all but the first, which is no step of decodes";
}

TEST_F(RankRunnerTest, RecordsAllSizesWithoutTouchingTheCache) {
  runner_ = MakeRunner(2);
  std::vector<std::pair<int32_t, int32_t>> recorded;
  ASSERT_TRUE(
      runner_->RecordAndWait([&](int32_t done, int32_t of) { recorded.emplace_back(done, of); })
          .ok());
  EXPECT_THAT(recorded, ElementsAre(Pair(1, 2), Pair(2, 2)));
  late_.Touch([&] {
    const std::byte* end = memory_.get() + KvBytes();
    EXPECT_EQ(std::find_if(memory_.get(), const_cast<std::byte*>(end),
                           [](std::byte b) { return b != std::byte{0xFF}; }),
              end);
  });
  const auto expected = Expected(2);
  for (int32_t round = 0; round < 2; ++round) {
    TwoSequences step(round);
    runner_->Begin(step.Input(), {});
    runner_->Draw(step.rows);
    EXPECT_EQ(Given(*runner_->FinishAndWait()), expected[static_cast<size_t>(round)]);
  }
}

TEST_F(RankRunnerTest, RepeatsNoStepThatAnnouncesLayersScoresOrDrawsLess) {
  runner_ = MakeRunner(2);
  ASSERT_TRUE(runner_->RecordAndWait({}).ok());
  const uint64_t before = late_.replays();
  TwoSequences step(1);
  runner_->Begin(step.Input(), [](int32_t, int32_t) {});
  runner_->Draw(step.rows);
  ASSERT_TRUE(runner_->FinishAndWait().ok());
  StepInput input = step.Input();
  input.logit_rows = std::span(step.logit_rows).first(1);
  runner_->Begin(input, {});
  runner_->Draw(std::span(step.rows).first(1));
  ASSERT_TRUE(runner_->FinishAndWait().ok());
  EXPECT_EQ(late_.replays(), before);
}

TEST_F(RankRunnerTest, RepeatsNothingWhereTheDeviceRefusesASize) {
  runner_ = MakeRunner(2);
  late_.RecordAtMost(1);
  ASSERT_TRUE(runner_->RecordAndWait({}).ok());
  const uint64_t before = late_.replays();
  const auto expected = Expected(2);
  for (int32_t round = 0; round < 2; ++round) {
    TwoSequences step(round);
    runner_->Begin(step.Input(), {});
    runner_->Draw(step.rows);
    EXPECT_EQ(Given(*runner_->FinishAndWait()), expected[static_cast<size_t>(round)]);
  }
  EXPECT_EQ(late_.replays(), before);
}

TEST_F(RankRunnerTest, ScoresMoreRowsThanItHasPlaceForLogits) {
  TwoSequences step(0);
  runner_->Begin(step.Input(/*scores=*/true), {});
  step.Spoil();
  runner_->Draw(step.rows);
  const StepOutput output = *runner_->FinishAndWait();
  ASSERT_EQ(output.scored.tokens.size(), 5);
  EXPECT_EQ(output.scored.tokens[0].token, 6);
  EXPECT_LT(output.scored.tokens[0].logprob, 0);
  EXPECT_EQ(Given(output), Expected(1, /*scores=*/true)[0]);
}

TEST_F(RankRunnerTest, AnnouncesLayersOnceTheirKvIsWritten) {
  std::vector<std::pair<int32_t, int32_t>> announced;
  const auto on_layers = [&](int32_t begin, int32_t end) {
    announced.emplace_back(begin, end);
    late_.Touch([&] {
      for (int32_t layer = begin; layer < end; ++layer) {
        const ops::PagedKv kv = cache_->Layer(layer);
        uint16_t last = 0;  // Of the first sequence's K of head 0: position 19, in block 4.
        std::memcpy(&last, kv.base + 4 * kv.block_stride + 3 * 8 * sizeof last, sizeof last);
        EXPECT_NE(last, 0xFFFF) << "layer " << layer;
      }
    });
  };
  TwoSequences step(0);
  runner_->Begin(step.Input(), on_layers);
  runner_->Draw(step.rows);
  ASSERT_TRUE(runner_->FinishAndWait().ok());
  EXPECT_THAT(announced, ElementsAre(Pair(0, 2), Pair(2, 3)));
}

TEST_F(RankRunnerTest, AnnouncesNothingOfADeviceThatFails) {
  int announced = 0;
  TwoSequences step(0);
  late_.Fail();
  runner_->Begin(step.Input(), [&](int32_t, int32_t) { ++announced; });
  runner_->Draw(step.rows);
  const auto output = runner_->FinishAndWait();
  EXPECT_EQ(output.status().blast(), Blast::kWorker);
  EXPECT_EQ(announced, 0);
}

}  // namespace
}  // namespace baton::model
