#pragma once

#include "attention.h"
#include "elementwise.h"
#include "linear.h"
#include "panels.h"
#include "rounded_linear.h"
#include "sampling.h"

namespace baton::kernels::cpu {

template <class V>
constexpr Isa MakeIsa(const char* name) {
  return {
      .name = name,
      .laid_bytes = AnyLinear<V>::LaidBytes,
      .lay_rows = AnyLinear<V>::LayRows,
      .linear_scratch = AnyLinear<V>::ScratchBytes,
      .linear = AnyLinear<V>::Run,
      .pack_linear = Panels<V>::Pack,
      .unpack_row = Panels<V>::UnpackRow,
      .joined_rows = Attention<V>::kJoinedRows,
      .attention_scratch = Attention<V>::ScratchBytes,
      .attend = Attention<V>::Run,
      .rms_norm = Elementwise<V>::RmsNorm,
      .silu_mul = Elementwise<V>::SiluMul,
      .gelu_mul = Elementwise<V>::GeluMul,
      .soft_cap = Elementwise<V>::SoftCap,
      .scale = Elementwise<V>::Scale,
      .rotate = Elementwise<V>::Rotate,
      .widen = Elementwise<V>::Widen,
      .narrow = Elementwise<V>::Narrow,
      .round_row = RoundedRow<V>::Store,
      .keep_finite = Sampling<V>::KeepFinite,
      .keep_masked = Sampling<V>::KeepMasked,
      .block_max = Sampling<V>::BlockMax,
      .exp_sum = Sampling<V>::ExpSum,
  };
}

}  // namespace baton::kernels::cpu
