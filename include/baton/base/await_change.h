#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

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
/// 100 us, about what a wake-up takes, so that a thread is still there after what another does
/// alone in a step; from 10 us on it offers its core to others.
inline uint32_t AwaitChange(const std::atomic<uint32_t>& value, uint32_t old) {
  constexpr auto kOffering = std::chrono::microseconds(10);
  constexpr auto kParking = std::chrono::microseconds(100);
  constexpr int kLooksPerTime = 32;
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    for (int i = 0; i < kLooksPerTime; ++i) {
      const uint32_t now = value.load(std::memory_order_acquire);
      if (now != old) return now;
      PauseBriefly();
    }
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (waited > kParking) break;
    if (waited > kOffering) std::this_thread::yield();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace baton
