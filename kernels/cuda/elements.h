#pragma once

#include <cstdint>

#include <cuda_bf16.h>

/// Loads and stores of W neighbouring elements as float32: W = 8 moves 16 bytes of bfloat16 at
/// once and needs addresses that are multiples of 16; W = 1 fits everything.
namespace baton::kernels::cuda {

/// Eight values of bfloat16, one access of 16 bytes.
struct alignas(16) Bf16x8 {
  __nv_bfloat162 pair[4];
};

template <int W>
__device__ __forceinline__ void Load(const __nv_bfloat16* from, float (&to)[W]) {
  static_assert(W == 8 || W == 1);
  if constexpr (W == 8) {
    const Bf16x8 eight = *reinterpret_cast<const Bf16x8*>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 both = __bfloat1622float2(eight.pair[i]);
      to[2 * i] = both.x;
      to[2 * i + 1] = both.y;
    }
  } else {
    to[0] = __bfloat162float(from[0]);
  }
}

/// Rounds to nearest, ties to even.
template <int W>
__device__ __forceinline__ void Store(const float (&from)[W], __nv_bfloat16* to) {
  static_assert(W == 8 || W == 1);
  if constexpr (W == 8) {
    Bf16x8 eight;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      eight.pair[i] = __floats2bfloat162_rn(from[2 * i], from[2 * i + 1]);
    }
    *reinterpret_cast<Bf16x8*>(to) = eight;
  } else {
    to[0] = __float2bfloat16(from[0]);
  }
}

template <int W>
__device__ __forceinline__ void Load(const float* from, float (&to)[W]) {
  static_assert(W % 4 == 0 || W == 1);
  if constexpr (W == 1) {
    to[0] = from[0];
  } else {
#pragma unroll
    for (int i = 0; i < W; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + i);
      to[i] = four.x;
      to[i + 1] = four.y;
      to[i + 2] = four.z;
      to[i + 3] = four.w;
    }
  }
}

template <int W>
__device__ __forceinline__ void Store(const float (&from)[W], float* to) {
  static_assert(W % 4 == 0 || W == 1);
  if constexpr (W == 1) {
    to[0] = from[0];
  } else {
#pragma unroll
    for (int i = 0; i < W; i += 4) {
      *reinterpret_cast<float4*>(to + i) =
          make_float4(from[i], from[i + 1], from[i + 2], from[i + 3]);
    }
  }
}

/// Whether accesses of 16 bytes fit an address, or a distance in bytes.
inline bool Fits16(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }
inline bool Fits16(int64_t bytes) { return bytes % 16 == 0; }

}  // namespace baton::kernels::cuda
