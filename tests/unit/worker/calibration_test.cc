#include "calibration.h"

#include <gtest/gtest.h>

#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/kv/kv_cache.h"
#include "baton/model/rank_runner.h"
#include "support/tiny_model.h"

namespace baton::worker {
namespace {

constexpr Duration kAmple = std::chrono::seconds(60);

/// Steps take 1 ms of a clock's time for each of their tokens.
class SlowRunner final : public model::StepRunner {
 public:
  SlowRunner(model::StepRunner& runner, ManualClock& clock) : runner_(runner), clock_(clock) {}
  const model::StepLimits& limits() const override { return runner_.limits(); }
  int32_t blocks() const override { return runner_.blocks(); }
  int32_t block_tokens() const override { return runner_.block_tokens(); }
  bool asynchronous() const override { return runner_.asynchronous(); }
  Status RecordAndWait(const OnRecorded&) override { return OkStatus(); }
  void Begin(const model::StepInput& input, OnLayers on_layers) override {
    clock_.Advance(std::chrono::milliseconds(input.tokens.size()));
    runner_.Begin(input, std::move(on_layers));
  }
  void Draw(std::span<const ops::SampleRow> rows) override { runner_.Draw(rows); }
  void Poll() override { runner_.Poll(); }
  Result<model::StepOutput> FinishAndWait() override { return runner_.FinishAndWait(); }

 private:
  model::StepRunner& runner_;
  ManualClock& clock_;
};

class CalibrationTest : public testing::Test {
 protected:
  CalibrationTest() {
    testing_support::WriteTinyModel(folder_.path());
    model_ = *model::Model::Load(folder_.path());
  }
  /// With `slow`, on a runner and a clock of which a token is 1 ms.
  std::vector<cost::StepSample> Run(engine::EngineOptions options, int32_t blocks, Duration budget,
                                    ManualClock* slow = nullptr) {
    const kv::KvGeometry geometry = model_->KvGeometry(16, DType::kBFloat16);
    std::vector<std::byte> memory(static_cast<size_t>(blocks * geometry.block_bytes()));
    kv::KvCache cache = *kv::KvCache::Create(geometry, memory);
    device::HostStream stream(1);
    device::HostMemory host;
    options.context_tokens = model_->config().context_tokens;
    const auto runner = *model::RankRunner::Create({.model = *model_,
                                                    .cache = cache,
                                                    .ops = kernels::CpuOps(),
                                                    .stream = stream,
                                                    .memory = host},
                                                   *engine::LimitsFor(options, model_->config()));
    if (slow == nullptr) return Calibrate(options, {*model_, *runner, Clock::System()}, budget);
    SlowRunner slow_runner(*runner, *slow);
    return Calibrate(options, {*model_, slow_runner, *slow}, budget);
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<model::Model> model_;
};

TEST_F(CalibrationTest, TellsWhatBothKindsOfStepsTake) {
  cost::StepModel steps;
  for (const cost::StepSample& sample : Run({.step_tokens = 64}, 64, kAmple)) {
    EXPECT_GT(sample.took, Duration::zero());
    steps.Learn(sample);
  }
  EXPECT_TRUE(steps.knows_prefill());
  EXPECT_TRUE(steps.knows_decode());
  EXPECT_GT(steps.Predict(cost::PrefillShape(0, 64)), steps.Predict({.decode_sequences = 1}));
}

TEST_F(CalibrationTest, EndsWithTheStepInWhichItsTimeIsOver) {
  EXPECT_LE(Run({.step_tokens = 64}, 64, Duration::zero()).size(), 1u);
}

TEST_F(CalibrationTest, TriesNothingForWhichTheTimeThatIsLeftIsTooShort) {
  ManualClock clock;
  const TimePoint begin = clock.Now();
  const auto samples = Run({.step_tokens = 64}, 64, std::chrono::milliseconds(150), &clock);
  EXPECT_LE(clock.Now() - begin, std::chrono::milliseconds(150));
  EXPECT_GT(clock.Now() - begin, std::chrono::milliseconds(100));
}

TEST_F(CalibrationTest, TriesNothingWhereNothingFits) { EXPECT_TRUE(Run({}, 1, kAmple).empty()); }

}  // namespace
}  // namespace baton::worker
