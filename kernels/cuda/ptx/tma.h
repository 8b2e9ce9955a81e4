#pragma once

#include <cstdint>

#include "ptx/mbarrier.h"
#include "ptx/shared_address.h"
#include "ptx/tensor_map.h"

/// Copies of the TMA unit from device to shared memory: asynchronous, one thread asks, an mbarrier
/// counts the bytes. They belong to the async proxy, as the operands of wgmma do.
/// Source: PTX ISA, "cp.async.bulk.tensor", "cp.async.bulk", "fence.proxy.async".
namespace baton::kernels::cuda::ptx {

__device__ __forceinline__ void PrefetchTensorMap(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

/// The box at these coordinates (innermost first) to `shared`, aligned to 128 bytes, and for a
/// swizzle's pattern to begin there to its eight rows. Outside of the tensor: zeros, which count.
__device__ __forceinline__ void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier,
                                        int32_t c0, int32_t c1) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4}], [%2];" ::"r"(SharedAddress(shared)),
      "l"(map), "r"(SharedAddress(barrier)), "r"(c0), "r"(c1)
      : "memory");
}
__device__ __forceinline__ void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier,
                                        int32_t c0, int32_t c1, int32_t c2) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(SharedAddress(shared)),
      "l"(map), "r"(SharedAddress(barrier)), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
}
__device__ __forceinline__ void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier,
                                        int32_t c0, int32_t c1, int32_t c2, int32_t c3) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(SharedAddress(shared)),
      "l"(map), "r"(SharedAddress(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}
__device__ __forceinline__ void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier,
                                        int32_t c0, int32_t c1, int32_t c2, int32_t c3,
                                        int32_t c4) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(SharedAddress(shared)),
      "l"(map), "r"(SharedAddress(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
      : "memory");
}

/// `bytes` in one run. REQUIRES: both addresses and `bytes` are multiples of 16.
__device__ __forceinline__ void LoadRun(void* shared, const void* global, uint32_t bytes,
                                        Mbarrier* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(SharedAddress(shared)),
      "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(SharedAddress(barrier))
      : "memory");
}

/// Shows this thread's ordinary writes of shared memory to TMA and wgmma; a barrier of the threads
/// comes after it.
__device__ __forceinline__ void FenceAsyncProxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace baton::kernels::cuda::ptx
