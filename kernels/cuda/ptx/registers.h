#pragma once

#include <cstdint>

/// How many registers each thread of a warpgroup has, of those that the block was launched with.
/// ptxas takes it only where __launch_bounds__(threads, 1) caps the kernel and each role is one
/// branch of one if. Source: PTX ISA, "setmaxnreg".
namespace baton::kernels::cuda::ptx {

/// All warps of the warpgroup. Gives registers back.
template <uint32_t kRegisters>
__device__ __forceinline__ void KeepRegisters() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

/// All warps of the warpgroup. Waits until others have given back enough.
template <uint32_t kRegisters>
__device__ __forceinline__ void TakeRegisters() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace baton::kernels::cuda::ptx
