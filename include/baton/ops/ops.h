#pragma once

#include "baton/ops/embedding.h"
#include "baton/ops/gated_activation.h"
#include "baton/ops/linear.h"
#include "baton/ops/paged_attention.h"
#include "baton/ops/rms_norm.h"
#include "baton/ops/rope_kv_write.h"
#include "baton/ops/sample.h"
#include "baton/ops/soft_cap.h"

namespace baton::device {
class Stream;
}

namespace baton::ops {

/// One device's operations, chosen once at start. Immutable; all entries are set.
struct Ops {
  /// "cpu-avx512", "cpu-avx2", "reference", ...
  const char* name = "";
  void (*embedding)(const EmbeddingParams&, device::Stream&) = nullptr;
  void (*rms_norm)(const RmsNormParams&, device::Stream&) = nullptr;
  void (*linear)(const LinearParams&, device::Stream&) = nullptr;
  void (*rope_kv_write)(const RopeKvWriteParams&, device::Stream&) = nullptr;
  void (*paged_attention)(const PagedAttentionParams&, device::Stream&) = nullptr;
  void (*silu_mul)(const GatedActivationParams&, device::Stream&) = nullptr;
  void (*gelu_mul)(const GatedActivationParams&, device::Stream&) = nullptr;
  void (*soft_cap)(const SoftCapParams&, device::Stream&) = nullptr;
  void (*sample)(const SampleParams&, device::Stream&) = nullptr;
};

}  // namespace baton::ops
