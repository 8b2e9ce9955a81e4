// What a runner takes of a device's memory is known before there is a cache.
#include <gtest/gtest.h>

#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/model/rank_runner.h"
#include "support/counted_memory.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing_support::CountedMemory;

constexpr int32_t kBlocks = 16;
constexpr int32_t kBlockTokens = 16;
constexpr int32_t kVocabulary = 96;
constexpr StepLimits kLimits{
    .step_tokens = 64, .sequences = 3, .context_tokens = kBlocks * kBlockTokens, .top_logprobs = 3};
constexpr int64_t kMemory = int64_t{1} << 30;
constexpr size_t kPlannedRow = 48;
constexpr size_t kPlannedMask = 16;

/// The CPU's, with the plans and the scratch that a GPU's have.
ops::Ops OpsWithPlans() {
  ops::Ops ops = kernels::CpuOps();
  ops.plan_bytes = [](const ops::PlanShape& s) { return static_cast<size_t>(s.step_tokens + s.H); };
  ops.plan = [](const ops::PagedBatch&, const ops::PlanShape&, std::byte*) {};
  ops.attention_scratch_bytes = [](const ops::PlanShape& s) {
    return static_cast<size_t>(s.sequences * s.G * s.D + s.context_tokens + s.P);
  };
  ops.sample_plan_bytes = [](const ops::SampleRow* rows, int64_t R, int64_t) {
    size_t bytes = 0;
    for (int64_t r = 0; r < R; ++r) {
      bytes += kPlannedRow + (rows[r].mask == nullptr ? 0 : kPlannedMask);
    }
    return bytes;
  };
  ops.plan_sample = [](const ops::SampleRow*, int64_t, int64_t, std::byte*) {
    return ops::SamplePlan{};
  };
  ops.sample_scratch_bytes = [](int64_t R, int64_t V) { return static_cast<size_t>(R * V); };
  // Which draws from what the plan says, of which there is nothing here.
  ops.sample = [](const ops::SampleParams&, device::Stream&) {};
  return ops;
}

class RunnerMemory : public testing::Test {
 protected:
  RunnerMemory() {
    testing_support::WriteTinyModel(folder_.path(), {.layers = 3, .vocabulary = kVocabulary});
    model_ = *Model::Load(folder_.path());
    const kv::KvGeometry geometry = model_->KvGeometry(kBlockTokens, DType::kFloat32);
    kv_.resize(static_cast<size_t>(geometry.block_bytes() * kBlocks));
    cache_ = *kv::KvCache::Create(geometry, kv_);
  }

  std::unique_ptr<RankRunner> MakeRunner(const ops::Ops& ops, const StepLimits& limits) {
    return *RankRunner::Create(
        {.model = *model_, .cache = *cache_, .ops = ops, .stream = stream_, .memory = memory_},
        limits);
  }
  RankRunner::Plan Plan(const ops::Ops& ops, const StepLimits& limits, int32_t rows = 0) const {
    return {.model = *model_,
            .ops = ops,
            .limits = limits,
            .block_tokens = kBlockTokens,
            .replayed_rows = rows};
  }
  int64_t Taken() { return kMemory - *memory_.FreeBytes(); }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Model> model_;
  std::vector<std::byte> kv_;
  std::optional<kv::KvCache> cache_;
  device::HostStream stream_{1};
  CountedMemory memory_{kMemory};
};

TEST_F(RunnerMemory, IsWhatThePlanSays) {
  for (const ops::Ops& ops : {kernels::CpuOps(), OpsWithPlans()}) {
    for (const int32_t top : {0, 3}) {
      StepLimits limits = kLimits;
      limits.top_logprobs = top;
      const int64_t before = Taken();
      const auto runner = MakeRunner(ops, limits);
      EXPECT_EQ(Taken() - before, RankRunner::Bytes(Plan(ops, limits))) << top;
    }
  }
}

TEST_F(RunnerMemory, IsEnoughForStepsOfMaskedRows) {
  const ops::Ops ops = OpsWithPlans();
  const auto runner = MakeRunner(ops, kLimits);
  const int64_t before = Taken();
  const std::vector<TokenId> tokens(3, 7);
  const std::vector<int32_t> query_begin{0, 1, 2, 3}, kv_tokens{1, 1, 1}, tables{0, 1, 2};
  const std::vector<int32_t> rows{0, 1, 2};
  const std::vector<uint32_t> mask(kVocabulary / 32, ~0U);
  runner->Begin({.tokens = tokens,
                 .sequences = {.query_begin = query_begin.data(),
                               .kv_tokens = kv_tokens.data(),
                               .block_tables = tables.data(),
                               .table_stride = 1,
                               .S = 3,
                               .T = 3},
                 .logit_rows = rows},
                {});
  runner->Draw(std::vector<ops::SampleRow>(3, {.mask = mask.data()}));
  ASSERT_TRUE(runner->FinishAndWait().ok());
  EXPECT_EQ(Taken(), before);
}

TEST_F(RunnerMemory, OfRecordingsGrowsWithSizesAndLayers) {
  const ops::Ops ops = kernels::CpuOps();
  const auto bytes = [&](int32_t rows) {
    return RankRunner::RecordingBytes(Plan(ops, kLimits, rows));
  };
  EXPECT_EQ(bytes(0), 0);
  // 1 row; 1 and 2; 1, 2 and 3: of tables for 256 positions.
  EXPECT_GE(bytes(1), int64_t{3} * 10 * 1024 * 10) << "ten kernels in each layer";
  EXPECT_EQ(bytes(2), 2 * bytes(1));
  EXPECT_EQ(bytes(3), 3 * bytes(1));
  EXPECT_EQ(bytes(64), bytes(3)) << "there are no more sequences";
}

}  // namespace
}  // namespace baton::model
