#include "baton/cost/step_model.h"

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::cost {
namespace {

using std::chrono::microseconds;

/// 2 ms, 100 us per prompt token, 10 ns per token attended to, 400 us per sequence, 200 ns per
/// token of its context.
Duration Truth(const StepShape& shape) {
  return std::chrono::nanoseconds(2'000'000 + 100'000 * shape.prefill_tokens +
                                  10 * shape.prefill_attended + 400'000 * shape.decode_sequences +
                                  200 * shape.decode_context);
}

void ExpectNear(Duration got, Duration want, double relative) {
  EXPECT_NEAR(Seconds(got), Seconds(want), relative * Seconds(want));
}

TEST(PrefillShape, SumsWhatEachTokenAttendsTo) {
  EXPECT_EQ(PrefillShape(0, 3), (StepShape{.prefill_tokens = 3, .prefill_attended = 1 + 2 + 3}));
  EXPECT_EQ(PrefillShape(4, 6), (StepShape{.prefill_tokens = 2, .prefill_attended = 5 + 6}));
}

TEST(StepModel, KnowsNothingAtFirst) {
  const StepModel model;
  EXPECT_FALSE(model.knows_prefill());
  EXPECT_FALSE(model.knows_decode());
  EXPECT_EQ(model.Predict({.prefill_tokens = 9}), Duration::zero());
}

TEST(StepModel, LearnsAWorkerFromTheStepsOfItsLoad) {
  Random random(5);
  StepModel model;
  for (uint64_t i = 1; i <= 600; ++i) {
    const auto decodes = static_cast<int64_t>(random.Below(16));
    StepShape shape{.decode_sequences = decodes,
                    .decode_context = decodes * static_cast<int64_t>(100 + random.Below(3000))};
    if (random.Below(3) == 0) {
      const auto begin = static_cast<int64_t>(512 * random.Below(8));
      shape += PrefillShape(begin, begin + static_cast<int64_t>(16 + random.Below(496)));
    }
    model.Learn({.number = i, .shape = shape, .took = Truth(shape)});
  }
  const StepShape decode{.decode_sequences = 8, .decode_context = 8000};
  ExpectNear(model.Predict(decode), Truth(decode), 0.02);
  StepShape both = PrefillShape(1024, 1536);
  ExpectNear(model.Predict(both), Truth(both), 0.02);
  both += decode;
  ExpectNear(model.Predict(both), Truth(both), 0.02);
}

TEST(StepModel, LearnsEnoughFromADozenStepsToBeginWith) {
  StepModel model;
  uint64_t number = 0;
  const auto teach = [&](const StepShape& shape) {
    model.Learn({.number = ++number, .shape = shape, .took = Truth(shape)});
  };
  for (int round = 0; round < 2; ++round) {
    for (const int64_t tokens : {16, 128, 512}) teach(PrefillShape(0, tokens));
    teach(PrefillShape(512, 1024));
    for (const int64_t n : {1, 8}) teach({.decode_sequences = n, .decode_context = 40 * n});
  }
  const StepShape prompt = PrefillShape(0, 300);
  ExpectNear(model.Predict(prompt), Truth(prompt), 0.1);
  const StepShape batch{.decode_sequences = 4, .decode_context = 160};
  ExpectNear(model.Predict(batch), Truth(batch), 0.1);
}

TEST(StepModel, CountsTheConstantForEachStep) {
  StepModel model;
  for (uint64_t i = 1; i <= 50; ++i) {
    const StepShape shape{.decode_sequences = static_cast<int64_t>(i % 5 + 1)};
    model.Learn({.number = i, .shape = shape, .took = Truth(shape)});
  }
  const StepShape shape{.decode_sequences = 10};
  ExpectNear(model.Predict(shape, 5), microseconds(5 * 2000 + 10 * 400), 0.02);
}

TEST(TransferModel, LearnsWhatAPathTakes) {
  TransferModel model;
  EXPECT_FALSE(model.known());
  for (int i = 1; i <= 60; ++i) model.Learn(100 * (i % 9), microseconds(300 + 100 * (i % 9)));
  EXPECT_TRUE(model.known());
  ExpectNear(model.Predict(1000), microseconds(1300), 0.02);
}

}  // namespace
}  // namespace baton::cost
