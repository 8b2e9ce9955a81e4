#include "worker_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/units.h"
#include "baton/kernels/cpu_ops.h"
#include "support/counted_memory.h"
#include "support/tiny_model.h"

namespace baton::worker {
namespace {

using testing::HasSubstr;

constexpr model::StepLimits kLimits{.step_tokens = 64, .sequences = 8, .context_tokens = 256};

class KvBytes : public testing::Test {
 protected:
  KvBytes() {
    testing_support::WriteTinyModel(folder_.path());
    model_ = *model::Model::Load(folder_.path());
  }

  Result<int64_t> Of(int64_t free, int32_t percent) {
    WorkerDevice device{.name = "cuda:0", .ops = &ops_};
    device.memory = std::make_unique<testing_support::CountedMemory>(free);
    return KvBytesOn(device, Plan(), percent);
  }
  model::RankRunner::Plan Plan() const {
    return {
        .model = *model_, .ops = ops_, .limits = kLimits, .block_tokens = 16, .replayed_rows = 8};
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<model::Model> model_;
  const ops::Ops& ops_ = kernels::CpuOps();
};

TEST_F(KvBytes, AreAPartOfWhatStepsAndGraphsLeave) {
  const int64_t others =
      model::RankRunner::Bytes(Plan()) + model::RankRunner::RecordingBytes(Plan());
  EXPECT_GT(model::RankRunner::RecordingBytes(Plan()), 0);
  EXPECT_EQ(*Of(others + 1000, 90), 900);
}

TEST_F(KvBytes, AreRefusedWhereNothingIsLeftAndItIsSaidWhatToLower) {
  const int64_t steps = model::RankRunner::Bytes(Plan());
  const int64_t graphs = model::RankRunner::RecordingBytes(Plan());
  const Status status = Of(steps + graphs, 99).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("steps take " + FormatBytes(steps)));
  EXPECT_THAT(status.message(), HasSubstr("CUDA graphs " + FormatBytes(graphs)));
  EXPECT_THAT(status.message(), HasSubstr("lower engine.step_tokens"));
}

TEST(CpuDevice, ComputesWithTheInstructionsThatWereAskedFor) {
  const auto devices = OpenWorkerDevices({.instructions = "portable"});
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_STREQ(devices->front().ops->name, "cpu-portable");
  EXPECT_EQ(OpenWorkerDevices({})->front().ops, &kernels::CpuOps());
}

TEST(CpuDevice, SaysWhatToDoWhereTheHostHasNoSuchInstructions) {
  const Status status = OpenWorkerDevices({.instructions = "sse9"}).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("engine.instructions is sse9"));
  EXPECT_THAT(status.message(), HasSubstr("set it to auto"));
}

}  // namespace
}  // namespace baton::worker
