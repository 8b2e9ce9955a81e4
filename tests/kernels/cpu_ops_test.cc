#include "baton/kernels/cpu_ops.h"

#include <gmock/gmock.h>

#include "baton/device/host_stream.h"

namespace baton::kernels {
namespace {

TEST(CpuOps, ChoosesTheFastestInstructionSetOfTheHost) {
  const std::string fastest = CpuInstructionSets().front();
  EXPECT_EQ(CpuOps().name, "cpu-" + fastest);
}

TEST(CpuOps, EndsItsListWithThePortableSet) { EXPECT_EQ(CpuInstructionSets().back(), "portable"); }

TEST(CpuOps, FillsEveryEntryOfEveryTable) {
  for (const std::string& set : CpuInstructionSets()) {
    const ops::Ops& ops = **CpuOpsFor(set);
    EXPECT_TRUE(ops.embedding && ops.rms_norm && ops.linear && ops.rope_kv_write &&
                ops.paged_attention && ops.silu_mul && ops.gelu_mul && ops.soft_cap &&
                ops.gather_rows && ops.gather_kv && ops.scatter_kv && ops.sample)
        << set;
  }
}

TEST(CpuOps, RefusesAnInstructionSetThatDoesNotExist) {
  const auto result = CpuOpsFor("sse9");
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(),
              testing::HasSubstr("amx, avx512bf16, avx512vnni, avx512, avxvnni, avx2, portable"));
}

class OtherStream final : public device::Stream {
 public:
  void SynchronizeAndWait() override {}
};

TEST(CpuOps, AbortsWhenGivenAnotherDevicesStream) {
  OtherStream stream;
  EXPECT_DEATH(CpuOps().embedding({}, stream), "another device's stream");
}

}  // namespace
}  // namespace baton::kernels
