#pragma once

#include <cstdint>

/// Where the 16-byte pieces of a shared tile lie, so that neither rows nor columns of them meet in
/// one bank. TMA and wgmma apply it to the bits of the shared address itself, so a tile's start is
/// a multiple of the pattern: eight rows.
/// Source: PTX ISA, "Shared Memory Matrix Layout" and "Swizzling Modes" of tensors.
namespace baton::kernels::cuda::ptx {

/// The bytes of a row in which pieces change places. The values are those of a matrix descriptor.
enum class Swizzle : uint8_t { kNone = 0, k128 = 1, k64 = 2, k32 = 3 };

__host__ __device__ constexpr uint32_t SwizzleBytes(Swizzle swizzle) {
  return swizzle == Swizzle::kNone ? 16u : 256u >> static_cast<uint32_t>(swizzle);
}

/// The address that holds what would lie at `address` without a swizzle: the low bits of the row
/// (bits 7 and up) exclusive-or those of the piece (bits 4 and up).
__host__ __device__ constexpr uint32_t Swizzled(Swizzle swizzle, uint32_t address) {
  return address ^ (address >> 3 & (SwizzleBytes(swizzle) - 16));
}

}  // namespace baton::kernels::cuda::ptx
