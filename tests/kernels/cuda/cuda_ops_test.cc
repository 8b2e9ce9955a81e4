#include "baton/kernels/cuda_ops.h"

#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace baton::kernels {
namespace {

TEST(CudaOps, AreDeterministicUnlessToldOtherwise) {
  EXPECT_EQ(&CudaOps(), &CudaOps({.deterministic = true}));
  EXPECT_NE(&CudaOps(), &CudaOps({.deterministic = false}));
  EXPECT_NE(std::string_view(CudaOps().name), CudaOps({.deterministic = false}).name);
}

TEST(CudaOps, DifferInAttentionAndItsPlanAlone) {
  const ops::Ops& fastest = CudaOps({.deterministic = false});
  const ops::Ops& ops = CudaOps();
  EXPECT_NE(fastest.plan_bytes, ops.plan_bytes);
  EXPECT_NE(fastest.plan, ops.plan);
  EXPECT_NE(fastest.paged_attention, ops.paged_attention);
  EXPECT_EQ(fastest.activation, ops.activation);
  EXPECT_EQ(fastest.attention_scratch_bytes, ops.attention_scratch_bytes);
  EXPECT_EQ(fastest.sample_plan_bytes, ops.sample_plan_bytes);
  EXPECT_EQ(fastest.plan_sample, ops.plan_sample);
  EXPECT_EQ(fastest.sample_scratch_bytes, ops.sample_scratch_bytes);
  EXPECT_EQ(fastest.embedding, ops.embedding);
  EXPECT_EQ(fastest.rms_norm, ops.rms_norm);
  EXPECT_EQ(fastest.linear, ops.linear);
  EXPECT_EQ(fastest.rope_kv_write, ops.rope_kv_write);
  EXPECT_EQ(fastest.silu_mul, ops.silu_mul);
  EXPECT_EQ(fastest.gelu_mul, ops.gelu_mul);
  EXPECT_EQ(fastest.soft_cap, ops.soft_cap);
  EXPECT_EQ(fastest.gather_rows, ops.gather_rows);
  EXPECT_EQ(fastest.gather_kv, ops.gather_kv);
  EXPECT_EQ(fastest.scatter_kv, ops.scatter_kv);
  EXPECT_EQ(fastest.sample, ops.sample);
}

TEST(CudaOps, PlanAStepWithoutADevice) {
  const ops::PlanShape shape{.H = 32,
                             .G = 8,
                             .D = 128,
                             .P = 16,
                             .step_tokens = 200,
                             .sequences = 4,
                             .context_tokens = 4096};
  const std::vector<int32_t> query_begin = {0, 1, 151};
  const std::vector<int32_t> kv_tokens = {900, 400};
  const ops::PagedBatch batch{
      .query_begin = query_begin.data(), .kv_tokens = kv_tokens.data(), .S = 2, .T = 151};
  for (const bool deterministic : {true, false}) {
    const ops::Ops& ops = CudaOps({.deterministic = deterministic});
    const std::byte untouched{0xaa};
    std::vector<std::byte> plan(ops.plan_bytes(shape), untouched);
    ops.plan(batch, shape, plan.data());
    EXPECT_NE(plan.front(), untouched);
  }
}

}  // namespace
}  // namespace baton::kernels
