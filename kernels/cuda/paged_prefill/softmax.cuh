#pragma once

#include <cuda_bf16.h>

#include "paged_prefill/shared.cuh"
#include "ptx/exp2.h"

/// The softmax of two rows of a warpgroup's 64, of which four neighbouring lanes hold a quarter of
/// the columns each: element [4 j + 2 half + i] is row half, column 8 j + 2 (lane % 4) + i.
namespace baton::kernels::cuda::paged_prefill {

inline constexpr float kLog2E = 1.4426950408889634f;

/// Of each of a thread's two rows.
struct Rows {
  float largest[2];
  /// This lane's part, of the columns that it holds.
  float sum[2];
  int position[2];
};

__device__ __forceinline__ float QuadMax(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}

__device__ __forceinline__ float QuadSum(float x) {
  x += __shfl_xor_sync(0xffffffff, x, 1);
  return x + __shfl_xor_sync(0xffffffff, x, 2);
}

/// cap tanh(s scale / cap) in units of log2; tanh(x) = 1 - 2 / (1 + exp(2 x)).
template <int kCount>
__device__ __forceinline__ void CapScores(float (&s)[kCount], const Params& p) {
  const float cap = p.softcap * kLog2E;
#pragma unroll
  for (float& score : s) {
    const float e = ptx::Exp2(score * (p.inner_scale * 2 * kLog2E));
    score = fmaf(__fdividef(-2.0f, 1.0f + e), cap, cap);
  }
}

/// Minus infinity for keys that a row does not look at; `first_key` is the tile's first position.
template <int kCount>
__device__ __forceinline__ void MaskScores(float (&s)[kCount], const Rows& rows, int first_key,
                                           int window) {
  const int column = threadIdx.x % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int newest = rows.position[half] - first_key - column;
    const int oldest = window > 0 ? newest - window : -(1 << 30);
#pragma unroll
    for (int j = 0; j < kCount / 4; ++j) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int key = 8 * j + i;
        if (key > newest || key <= oldest) s[4 * j + 2 * half + i] = -INFINITY;
      }
    }
  }
}

/// Scores become probabilities over the largest so far; `shrink` is what sums so far shrink by.
template <int kCount>
__device__ __forceinline__ void Exponentiate(float (&s)[kCount], Rows& rows, float scale_log2,
                                             float (&shrink)[2]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest = rows.largest[half];
#pragma unroll
    for (int j = 0; j < kCount / 4; ++j) {
      largest = fmaxf(largest, fmaxf(s[4 * j + 2 * half], s[4 * j + 2 * half + 1]));
    }
    largest = QuadMax(largest);
    // A row that has seen no key yet: all its probabilities are zero, not 0 / 0.
    const float base = largest == -INFINITY ? 0.0f : largest * scale_log2;
    shrink[half] = ptx::Exp2(fmaf(rows.largest[half], scale_log2, -base));
    rows.largest[half] = largest;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < kCount / 4; ++j) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float& score = s[4 * j + 2 * half + i];
        score = ptx::Exp2(fmaf(score, scale_log2, -base));
        sum += score;
      }
    }
    rows.sum[half] = fmaf(rows.sum[half], shrink[half], sum);
  }
}

template <int kCount>
__device__ __forceinline__ void Shrink(float (&o)[kCount], const float (&shrink)[2]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) o[i] *= shrink[i / 2 % 2];
}

__device__ __forceinline__ uint32_t PackPair(float first, float second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  return static_cast<uint32_t>(__bfloat16_as_ushort(pair.x)) |
         static_cast<uint32_t>(__bfloat16_as_ushort(pair.y)) << 16;
}

/// Accumulators of 16 columns are, packed, the A registers of 16 steps of K.
template <int kCount>
__device__ __forceinline__ void Pack(const float (&s)[kCount], uint32_t (&p)[kCount / 8][4]) {
#pragma unroll
  for (int k = 0; k < kCount / 8; ++k) {
#pragma unroll
    for (int i = 0; i < 4; ++i) p[k][i] = PackPair(s[8 * k + 2 * i], s[8 * k + 2 * i + 1]);
  }
}

}  // namespace baton::kernels::cuda::paged_prefill
