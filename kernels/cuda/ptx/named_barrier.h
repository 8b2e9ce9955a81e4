#pragma once

#include <cstdint>

/// The block's sixteen barriers, of which 0 is __syncthreads'. Source: PTX ISA, "barrier".
namespace baton::kernels::cuda::ptx {

/// Waits until `threads` have come, those that only arrive included.
__device__ __forceinline__ void SyncBarrier(uint32_t id, uint32_t threads) {
  asm volatile("barrier.cta.sync.aligned %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// Counts as one that has come, and goes on.
__device__ __forceinline__ void ArriveAtBarrier(uint32_t id, uint32_t threads) {
  asm volatile("barrier.cta.arrive.aligned %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

}  // namespace baton::kernels::cuda::ptx
