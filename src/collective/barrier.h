#pragma once

#include <atomic>
#include <cstdint>

#include "baton/base/await_change.h"

namespace baton::collective {

/// Where threads of a fixed number wait for each other, again and again.
/// *Threads*: thread-safe.
class Barrier {
 public:
  explicit Barrier(int32_t threads) : threads_(static_cast<uint32_t>(threads)) {}

  /// True when all have arrived: then what each did before is visible to all. False when the
  /// barrier is broken.
  bool ArriveAndWait() {
    const uint32_t generation = generation_.load(std::memory_order_acquire);
    if (broken_.load(std::memory_order_acquire)) return false;
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < threads_) {
      AwaitChange(generation_, generation);
    } else {
      arrived_.store(0, std::memory_order_relaxed);
      Release();
    }
    return !broken_.load(std::memory_order_acquire);
  }

  /// From here on nobody waits.
  void Break() {
    broken_.store(true, std::memory_order_release);
    Release();
  }

 private:
  void Release() {
    generation_.fetch_add(1, std::memory_order_acq_rel);
    generation_.notify_all();
  }

  const uint32_t threads_;
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  std::atomic<bool> broken_{false};
};

}  // namespace baton::collective
