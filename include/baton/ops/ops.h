#pragma once

#include "baton/ops/embedding.h"
#include "baton/ops/gated_activation.h"
#include "baton/ops/gather_rows.h"
#include "baton/ops/kv_runs.h"
#include "baton/ops/linear.h"
#include "baton/ops/paged_attention.h"
#include "baton/ops/peer_sum.h"
#include "baton/ops/rms_norm.h"
#include "baton/ops/rope_kv_write.h"
#include "baton/ops/sample.h"
#include "baton/ops/soft_cap.h"
#include "baton/ops/step_plan.h"

namespace baton::device {
class Stream;
}

namespace baton::ops {

/// One device's operations, chosen once at start. Immutable; all operations are set but for those
/// that say otherwise.
struct Ops {
  /// "cpu-avx512", "cpu-avx2", "reference", ...
  const char* name = "";
  /// What sums are of where they have other bits than those of the device's other tables; "": they
  /// have not. Part of a model's fingerprint, as tokens may differ, too.
  const char* arithmetic = "";
  /// What activations between operations are kept in; the residual and logits are float32.
  DType activation = DType::kFloat32;
  /// Bytes of a step's plan: how the operations of one step divide its work. Null: no plan.
  size_t (*plan_bytes)(const PlanShape&) = nullptr;
  /// Writes the plan of a batch whose arrays the host can read; pure. The plan goes where the batch
  /// goes, into PagedBatch::plan, before any operation of that step. Null where plan_bytes is.
  void (*plan)(const PagedBatch&, const PlanShape&, std::byte* out) = nullptr;
  /// Bytes of PagedBatch::scratch. Null: none.
  size_t (*attention_scratch_bytes)(const PlanShape&) = nullptr;
  /// At least the bytes that plan_sample writes. Null where plan_sample is.
  size_t (*sample_plan_bytes)(const SampleRow* rows, int64_t R, int64_t V) = nullptr;
  /// Writes the plan of rows whose lists the host can read; pure. The plan goes to the device, to
  /// SampleParams::plan, aligned to 8. Rows of given tokens have plans of one size, one behind the
  /// other, each of which may be the first of a draw. Null: sample reads the rows themselves.
  SamplePlan (*plan_sample)(const SampleRow* rows, int64_t R, int64_t V, std::byte* out) = nullptr;
  /// Bytes of SampleParams::scratch, aligned to 8. Null where plan_sample is.
  size_t (*sample_scratch_bytes)(int64_t R, int64_t V) = nullptr;
  /// Bytes of each of PeerSumParams::workspaces, aligned to 128. Null: there are no such sums.
  size_t (*peer_sum_workspace_bytes)() = nullptr;
  /// Most bytes of x for which a sum over so many ranks is faster than by their vendor's library,
  /// which makes it at once or, where sums have one order, pair by pair; 0: none. Pure.
  int64_t (*peer_sum_most_bytes)(int32_t ranks, bool in_pairs) = nullptr;
  void (*peer_sum)(const PeerSumParams&, device::Stream&) = nullptr;
  void (*embedding)(const EmbeddingParams&, device::Stream&) = nullptr;
  void (*rms_norm)(const RmsNormParams&, device::Stream&) = nullptr;
  void (*linear)(const LinearParams&, device::Stream&) = nullptr;
  /// Of PackLinearParams::packed; `w` and `packed` may be missing. Null: `linear` takes
  /// matrices only as they are.
  size_t (*packed_bytes)(const PackLinearParams&) = nullptr;
  /// Null where packed_bytes is.
  void (*pack_linear)(const PackLinearParams&, device::Stream&) = nullptr;
  void (*rope_kv_write)(const RopeKvWriteParams&, device::Stream&) = nullptr;
  void (*paged_attention)(const PagedAttentionParams&, device::Stream&) = nullptr;
  void (*silu_mul)(const GatedActivationParams&, device::Stream&) = nullptr;
  void (*gelu_mul)(const GatedActivationParams&, device::Stream&) = nullptr;
  void (*soft_cap)(const SoftCapParams&, device::Stream&) = nullptr;
  void (*gather_rows)(const GatherRowsParams&, device::Stream&) = nullptr;
  void (*gather_kv)(const KvRunsParams&, device::Stream&) = nullptr;
  void (*scatter_kv)(const KvRunsParams&, device::Stream&) = nullptr;
  void (*sample)(const SampleParams&, device::Stream&) = nullptr;
};

}  // namespace baton::ops
