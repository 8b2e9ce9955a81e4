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

class CalibrationTest : public testing::Test {
 protected:
  CalibrationTest() {
    testing_support::WriteTinyModel(folder_.path());
    model_ = *model::Model::Load(folder_.path());
  }
  std::vector<cost::StepSample> Run(engine::EngineOptions options, int32_t blocks,
                                    Duration budget) {
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
    return Calibrate(options, {*model_, *runner, Clock::System()}, budget);
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

TEST_F(CalibrationTest, TriesNothingWhereNothingFits) { EXPECT_TRUE(Run({}, 1, kAmple).empty()); }

}  // namespace
}  // namespace baton::worker
