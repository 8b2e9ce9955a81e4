#pragma once

#include <cstdint>

#include "ptx/shared_address.h"

/// Barriers in shared memory that count arrivals and, for copies of the TMA unit, bytes. A phase
/// ends when its last arrival has come and all expected bytes have landed; the next begins at once.
/// Source: PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier".
namespace baton::kernels::cuda::ptx {

struct alignas(8) Mbarrier {
  uint64_t state;
};

/// For `arrivals` in each phase. One thread; then FenceMbarrierInit, then a barrier of the block.
__device__ __forceinline__ void InitMbarrier(Mbarrier* barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(SharedAddress(barrier)),
               "r"(arrivals)
               : "memory");
}

/// Shows what this thread initialised to the TMA unit.
__device__ __forceinline__ void FenceMbarrierInit() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void Arrive(Mbarrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(SharedAddress(barrier)) : "memory");
}

/// Arrives, and makes this phase wait for `bytes` more.
__device__ __forceinline__ void ArriveAndExpect(Mbarrier* barrier, uint32_t bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(SharedAddress(barrier)),
      "r"(bytes)
      : "memory");
}

/// Waits until the phase of this parity has ended: 0 for the first, then alternating. Of a barrier
/// whose first phase runs, parity 1 has ended.
__device__ __forceinline__ void Wait(Mbarrier* barrier, uint32_t parity) {
  uint32_t ended = 0;
  do {
    // Sleeps in hardware up to a limit of its own, therefore the loop.
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n"
        "}\n"
        : "=r"(ended)
        : "r"(SharedAddress(barrier)), "r"(parity)
        : "memory");
  } while (ended == 0);
}

}  // namespace baton::kernels::cuda::ptx
