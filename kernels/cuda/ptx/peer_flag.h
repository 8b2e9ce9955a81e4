#pragma once

#include <cstdint>

/// Flags by which devices that reach each other's memory tell what is there.
/// Source: PTX ISA, "Memory Consistency Model".
namespace baton::kernels::cuda::ptx {

/// Writes a flag, in this device's memory or another's. Whoever awaits it finds all that this
/// thread wrote before, and what others of its block wrote before a barrier that it has passed.
__device__ __forceinline__ void RaiseFlag(uint32_t* flag, uint32_t value) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(flag), "r"(value) : "memory");
}

/// Waits until a flag that only grows (and wraps) is at least `value`, or until *ended is not 0.
/// `ended` is in the host's memory, so it is looked at seldom.
__device__ __forceinline__ void AwaitFlag(const uint32_t* flag, uint32_t value,
                                          const uint32_t* ended) {
  constexpr int kLooks = 1024;
  for (;;) {
    for (int look = 0; look < kLooks; ++look) {
      uint32_t seen;
      asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(seen) : "l"(flag) : "memory");
      if (static_cast<int32_t>(seen - value) >= 0) return;
    }
    uint32_t over;
    asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(over) : "l"(ended) : "memory");
    if (over != 0) return;
  }
}

}  // namespace baton::kernels::cuda::ptx
