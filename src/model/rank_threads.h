#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace baton::model {

/// A thread for each rank but the first, which is its owner's. They spin briefly for the next call
/// and then sleep. *Threads*: lives on the first rank's thread.
class RankThreads {
 public:
  using Body = std::function<void(int32_t rank)>;

  /// `on_start` is called first, on each thread but the owner's. REQUIRES: ranks >= 1.
  RankThreads(int32_t ranks, Body on_start);
  ~RankThreads();
  RankThreads(const RankThreads&) = delete;
  RankThreads& operator=(const RankThreads&) = delete;

  /// Calls body(rank) once on each rank's thread, all at the same time; returns when all have
  /// returned.
  void Run(const Body& body);

 private:
  void Loop(int32_t rank);

  const Body on_start_;
  /// Written while no thread runs it.
  const Body* body_ = nullptr;
  alignas(64) std::atomic<uint32_t> calls_{0};
  /// Threads that have returned from the last call.
  alignas(64) std::atomic<uint32_t> returned_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace baton::model
