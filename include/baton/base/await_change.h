#pragma once

#include <atomic>
#include <cstdint>

namespace baton {

/// Tells the processor that this is a loop that waits.
inline void PauseBriefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns when `value` is not `old`: at once, while spinning, or woken by a notify. Spins for some
/// 10 to 20 us, longer than the gap between two operations of a step and shorter than a wake-up,
/// and then leaves the core to others.
inline uint32_t AwaitChange(const std::atomic<uint32_t>& value, uint32_t old) {
  constexpr int kSpins = 400;
  for (int i = 0; i < kSpins; ++i) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    PauseBriefly();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace baton
