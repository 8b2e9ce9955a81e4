#pragma once

#include <math_constants.h>

#include "ptx/exp2.h"

/// Softmax in base 2 over parts that come one after the other. The same formula merges the splits
/// of a row whether they are in registers or in memory, so that both give the same bits. A part
/// that a row does not see (largest -inf, all else 0) changes no bit of it.
/// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018.
namespace baton::kernels::cuda::paged_attention {

/// What to subtract from scores whose largest is `largest`.
__device__ __forceinline__ float Shift(float largest) {
  return largest == -CUDART_INF_F ? 0.0f : largest;
}

/// What the sums so far and those of the next part count for in their sum.
struct Weights {
  float largest;
  float before;
  float part;
};

__device__ __forceinline__ Weights WeightsOf(float before, float part) {
  const float largest = fmaxf(before, part);
  const float shift = Shift(largest);
  return {.largest = largest, .before = ptx::Exp2(before - shift), .part = ptx::Exp2(part - shift)};
}

__device__ __forceinline__ float Fold(float before, float part, const Weights& weights) {
  return fmaf(part, weights.part, before * weights.before);
}

}  // namespace baton::kernels::cuda::paged_attention
