#pragma once

#include "baton/ops/ops.h"
#include "divided_attention/plan.h"
#include "operations.h"
#include "paged_attention/plan.h"
#include "peer_sum/plan.h"

namespace baton::kernels::cuda {

/// All operations, each row's bits its own; `linear` is what multiplies by weights.
constexpr ops::Ops DeterministicTable(const char* name,
                                      void (*linear)(const ops::LinearParams&, device::Stream&)) {
  return {.name = name,
          .activation = DType::kBFloat16,
          .plan_bytes = paged_attention::PlanBytes,
          .plan = paged_attention::WritePlan,
          .attention_scratch_bytes = paged_attention::ScratchBytes,
          .sample_plan_bytes = SamplePlanBytes,
          .plan_sample = PlanSample,
          .sample_scratch_bytes = SampleScratchBytes,
          .peer_sum_workspace_bytes = peer_sum::PeerSumWorkspaceBytes,
          .peer_sum_most_bytes = peer_sum::PeerSumMostBytes,
          .peer_sum = PeerSum,
          .embedding = Embedding,
          .rms_norm = RmsNorm,
          .linear = linear,
          .rope_kv_write = RopeKvWrite,
          .paged_attention = PagedAttention,
          .silu_mul = SiluMul,
          .gelu_mul = GeluMul,
          .soft_cap = SoftCap,
          .gather_rows = GatherRows,
          .gather_kv = GatherKv,
          .scatter_kv = ScatterKv,
          .sample = Sample};
}

/// The same with the faster attention of long chunks.
constexpr ops::Ops FastestTable(const char* name,
                                void (*linear)(const ops::LinearParams&, device::Stream&)) {
  ops::Ops ops = DeterministicTable(name, linear);
  ops.plan_bytes = divided_attention::PlanBytes;
  ops.plan = divided_attention::WritePlan;
  ops.paged_attention = DividedAttention;
  return ops;
}

}  // namespace baton::kernels::cuda
