#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "baton/device/host_threads.h"
#include "baton/device/stream.h"

namespace baton::device {

class ThreadPool;

/// Runs operations on the calling thread and a pool of others.
/// *Threads*: lives on the thread of its owner; the owner takes part in the work.
class HostStream final : public Stream {
 public:
  using Body = std::function<void(int64_t begin, int64_t end)>;

  /// `threads` counts the caller, which sees itself to where it stays (StayOnCores); 1 runs
  /// everything on the caller. REQUIRES: at least one thread.
  explicit HostStream(const HostThreads& threads);
  ~HostStream() override;

  void SynchronizeAndWait() override {}
  int threads() const;

  /// Calls body(begin, end) over disjoint ranges that cover [0, count), at most `threads` at once;
  /// ranges are multiples of `grain` but for the last. Returns when all are done. Each thread
  /// begins with its share of [0, count), thread i with that from i / threads on, and then helps
  /// others; which takes which range must never change a result. REQUIRES: not called from within a
  /// body.
  void ParallelFor(int64_t count, int64_t grain, const Body& body);

 private:
  std::unique_ptr<ThreadPool> pool_;
  bool in_loop_ = false;
};

/// REQUIRES: `stream` is a HostStream; the CPU operations are never given another.
HostStream& AsHost(Stream& stream);

}  // namespace baton::device
