#include "thread_pool.h"

#include <algorithm>

#include "baton/base/await_change.h"
#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::device {
namespace {

constexpr uint32_t kOpen = 1u << 15;
constexpr uint32_t kJoined = kOpen - 1;
constexpr uint32_t kGeneration = 1u << 16;

}  // namespace

ThreadPool::ThreadPool(const HostThreads& threads) : shares_(static_cast<size_t>(threads.count)) {
  BATON_CHECK(threads.count >= 1 && threads.count <= static_cast<int>(kJoined));
  for (int i = 1; i < threads.count; ++i) {
    threads_.emplace_back([this, i, cores = threads.CoresOf(i)] {
      const StayOnCores stay(cores);
      HelperLoop(i);
    });
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  entry_.fetch_add(kGeneration, std::memory_order_release);
  entry_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Run(int64_t count, int64_t range, const Body& body) {
  BATON_CHECK((entry_.load(std::memory_order_relaxed) & kOpen) == 0)
      << "a parallel loop inside a parallel loop";
  body_ = &body;
  count_ = count;
  range_ = range;
  ranges_ = CeilDiv(count, range);
  BATON_CHECK(ranges_ < kMostRanges);
  ++loop_;
  left_.store(0, std::memory_order_relaxed);
  const uint32_t generation = entry_.load(std::memory_order_relaxed) & ~(kGeneration - 1);
  entry_.store((generation + kGeneration) | kOpen, std::memory_order_release);
  entry_.notify_all();

  TakeRanges(0);

  const uint32_t joined = entry_.fetch_and(~kOpen, std::memory_order_acq_rel) & kJoined;
  uint32_t left = left_.load(std::memory_order_acquire);
  while (left != joined) left = AwaitChange(left_, left);
}

void ThreadPool::TakeRanges(int self) {
  const auto threads = static_cast<int>(shares_.size());
  for (int i = 0; i < threads; ++i) {
    while (RunRangeOf((self + i) % threads)) {
    }
  }
}

bool ThreadPool::RunRangeOf(int thread) {
  const auto threads = static_cast<int64_t>(shares_.size());
  const int64_t end = ranges_ * (thread + 1) / threads;
  std::atomic<uint64_t>& next = shares_[static_cast<size_t>(thread)].next;
  uint64_t seen = next.load(std::memory_order_relaxed);
  int64_t range = 0;
  do {
    const bool begun = seen >> kRangeBits == loop_;
    range = begun ? static_cast<int64_t>(seen % kMostRanges) : ranges_ * thread / threads;
    if (range >= end) return false;
  } while (!next.compare_exchange_weak(seen, loop_ << kRangeBits | static_cast<uint64_t>(range + 1),
                                       std::memory_order_relaxed));
  (*body_)(range * range_, std::min((range + 1) * range_, count_));
  return true;
}

void ThreadPool::HelperLoop(int self) {
  uint32_t last_generation = 0;
  uint32_t entry = entry_.load(std::memory_order_acquire);
  while (!stopping_.load(std::memory_order_relaxed)) {
    const uint32_t generation = entry / kGeneration;
    if ((entry & kOpen) == 0 || generation == last_generation) {
      entry = AwaitChange(entry_, entry);
      continue;
    }
    if (!entry_.compare_exchange_weak(entry, entry + 1, std::memory_order_acq_rel)) continue;
    last_generation = generation;
    TakeRanges(self);
    left_.fetch_add(1, std::memory_order_release);
    left_.notify_one();
    entry = entry_.load(std::memory_order_acquire);
  }
}

}  // namespace baton::device
