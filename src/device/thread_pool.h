#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "baton/device/host_threads.h"

namespace baton::device {

/// Threads that help one caller with a loop. A helper spins briefly for the next loop, then parks.
/// The caller never waits for a helper that has not joined: on a busy host it does all the work.
///
/// Each thread has a share of every loop, the same part of it whatever the count, which it begins
/// with before it helps others: so what it touched first in one loop is what it reads in the next.
/// *Threads*: Run is called by one thread at a time. *Invariants*: each range is run exactly once.
class ThreadPool {
 public:
  using Body = std::function<void(int64_t begin, int64_t end)>;

  /// The caller is one of them. REQUIRES: at least one thread.
  explicit ThreadPool(const HostThreads& threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int helpers() const { return static_cast<int>(threads_.size()); }
  /// REQUIRES: at most kMostRanges ranges of so many elements.
  void Run(int64_t count, int64_t range, const Body& body);

 private:
  static constexpr int kRangeBits = 24;
  static constexpr int64_t kMostRanges = int64_t{1} << kRangeBits;

  /// The ranges of one thread.
  struct Share {
    /// First range that nobody has taken, below the number of the loop of which that is true.
    alignas(64) std::atomic<uint64_t> next{0};
  };

  void HelperLoop(int self);
  void TakeRanges(int self);
  bool RunRangeOf(int thread);

  /// One loop, written by the caller while the loop is closed and nobody is in it.
  const Body* body_ = nullptr;
  int64_t count_ = 0;
  int64_t range_ = 0;
  int64_t ranges_ = 0;
  uint64_t loop_ = 0;

  /// By thread.
  std::vector<Share> shares_;
  /// Generation in the upper half, kOpen while helpers may join, below it how many have joined.
  alignas(64) std::atomic<uint32_t> entry_{0};
  /// Helpers that have left this loop.
  alignas(64) std::atomic<uint32_t> left_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace baton::device
