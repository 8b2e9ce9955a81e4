#pragma once

#include <cstdint>

#include "ptx/shared_address.h"
#include "ptx/swizzle.h"

/// How wgmma finds a matrix in shared memory. Pieces are 16 bytes; a core matrix is 8 of them.
/// Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Shared Memory Layout" and "Matrix
/// Descriptor Format"; the canonical layouts are written out in CUTLASS,
/// include/cute/arch/mma_sm90_desc.hpp and include/cute/atom/mma_traits_sm90_gmma.hpp.
namespace baton::kernels::cuda::ptx {

/// Bits 0-13 start, 16-29 leading offset, 32-45 stride offset, each in pieces; 49-51 base offset
/// (0: the pattern begins where the address says); 62-63 swizzle.
using MatrixDescriptor = uint64_t;

__host__ __device__ constexpr MatrixDescriptor EncodeMatrix(uint32_t address,
                                                            uint32_t leading_bytes,
                                                            uint32_t stride_bytes,
                                                            Swizzle swizzle) {
  return uint64_t{(address & 0x3ffff) >> 4} | uint64_t{(leading_bytes & 0x3ffff) >> 4} << 16 |
         uint64_t{(stride_bytes & 0x3ffff) >> 4} << 32 | static_cast<uint64_t>(swizzle) << 62;
}

/// A tile whose rows run along K, each as wide as the swizzle: [rows][swizzle bytes of K]. Steps of
/// 16 in K within the row move the start by 32 bytes. `stride_bytes` from 8 rows to the next 8.
__device__ __forceinline__ MatrixDescriptor AlongK(const void* tile, uint32_t stride_bytes,
                                                   Swizzle swizzle) {
  return EncodeMatrix(SharedAddress(tile), 16, stride_bytes, swizzle);
}

/// A tile whose rows run along M or N: [K][swizzle bytes of N]. `leading_bytes` to the tile of the
/// next columns; `stride_bytes` from 8 rows of K to the next 8.
__device__ __forceinline__ MatrixDescriptor AcrossK(const void* tile, uint32_t leading_bytes,
                                                    uint32_t stride_bytes, Swizzle swizzle) {
  return EncodeMatrix(SharedAddress(tile), leading_bytes, stride_bytes, swizzle);
}

/// The descriptor of what begins `bytes` further on. REQUIRES: bytes % 16 == 0.
__host__ __device__ constexpr MatrixDescriptor Advanced(MatrixDescriptor matrix, uint32_t bytes) {
  return matrix + (bytes >> 4);
}

}  // namespace baton::kernels::cuda::ptx
