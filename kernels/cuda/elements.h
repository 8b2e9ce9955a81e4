#pragma once

#include <cstdint>

#include <cuda_bf16.h>

namespace baton::kernels::cuda {

/// Eight values of bfloat16, one access of 16 bytes.
struct alignas(16) Bf16x8 {
  __nv_bfloat162 pair[4];
};

__device__ __forceinline__ void Widen(const Bf16x8& from, float (&to)[8]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 both = __bfloat1622float2(from.pair[i]);
    to[2 * i] = both.x;
    to[2 * i + 1] = both.y;
  }
}

__device__ __forceinline__ Bf16x8 Narrow(const float (&from)[8]) {
  Bf16x8 to;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    to.pair[i] = __floats2bfloat162_rn(from[2 * i], from[2 * i + 1]);
  }
  return to;
}

/// Whether accesses of 16 bytes fit: an address, or a stride in bytes.
inline bool Fits16(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }
inline bool Fits16(int64_t bytes) { return bytes % 16 == 0; }

}  // namespace baton::kernels::cuda
