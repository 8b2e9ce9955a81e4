#include "baton/kernels/cuda_ops.h"

#include "divided_attention/plan.h"
#include "operations.h"
#include "paged_attention/plan.h"

namespace baton::kernels {
namespace {

constexpr ops::Ops kDeterministic = {
    .name = "cuda-sm90a",
    .activation = DType::kBFloat16,
    .plan_bytes = cuda::paged_attention::PlanBytes,
    .plan = cuda::paged_attention::WritePlan,
    .attention_scratch_bytes = cuda::paged_attention::ScratchBytes,
    .sample_plan_bytes = cuda::SamplePlanBytes,
    .plan_sample = cuda::PlanSample,
    .sample_scratch_bytes = cuda::SampleScratchBytes,
    .embedding = cuda::Embedding,
    .rms_norm = cuda::RmsNorm,
    .linear = cuda::Linear,
    .rope_kv_write = cuda::RopeKvWrite,
    .paged_attention = cuda::PagedAttention,
    .silu_mul = cuda::SiluMul,
    .gelu_mul = cuda::GeluMul,
    .soft_cap = cuda::SoftCap,
    .gather_rows = cuda::GatherRows,
    .gather_kv = cuda::GatherKv,
    .scatter_kv = cuda::ScatterKv,
    .sample = cuda::Sample,
};

constexpr ops::Ops Fastest() {
  ops::Ops ops = kDeterministic;
  ops.name = "cuda-sm90a, fastest";
  ops.plan_bytes = cuda::divided_attention::PlanBytes;
  ops.plan = cuda::divided_attention::WritePlan;
  ops.paged_attention = cuda::DividedAttention;
  return ops;
}

constexpr ops::Ops kFastest = Fastest();

}  // namespace

const ops::Ops& CudaOps(const CudaOpsOptions& options) {
  return options.deterministic ? kDeterministic : kFastest;
}

std::string_view WhyNoCudaOps() { return ""; }

}  // namespace baton::kernels
