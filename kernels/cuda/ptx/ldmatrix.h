#pragma once

#include <cstdint>

/// Tiles of shared memory to registers, one warp together. Under the emulator
/// tests/simt/ptx/ldmatrix.h takes this file's place.
namespace baton::kernels::cuda::ptx {

/// Four tiles of 8 x 8 elements of 16 bits. Lane 8 i + r names row r of tile i, 16 bytes aligned to
/// 16. Lane 4 g + t gets of each tile row g, columns 2 t and 2 t + 1.
__device__ __forceinline__ void LoadTiles(uint32_t (&to)[4], const void* row) {
  // No C++ intrinsic loads fragments.
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

/// The same, transposed: lane 4 g + t gets of each tile column g, rows 2 t and 2 t + 1.
__device__ __forceinline__ void LoadTilesTransposed(uint32_t (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

}  // namespace baton::kernels::cuda::ptx
