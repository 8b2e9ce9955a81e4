#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "baton/rpc/messages.h"

namespace baton::worker {

/// The last samples of a kind, numbered, for every status until others take their place.
/// *Threads*: thread-safe. One thread adds and gRPC's threads read; neither may wait for the other,
/// so this has a mutex instead of an owner.
template <typename Sample>
class SampleLog {
 public:
  void Add(Sample sample) {
    std::lock_guard lock(mutex_);
    sample.number = ++last_;
    samples_.push_back(std::move(sample));
    if (samples_.size() > rpc::WorkerStatus::kMostSamples) samples_.pop_front();
  }
  std::vector<Sample> Read() const {
    std::lock_guard lock(mutex_);
    return {samples_.begin(), samples_.end()};
  }

 private:
  mutable std::mutex mutex_;
  std::deque<Sample> samples_;
  uint64_t last_ = 0;
};

}  // namespace baton::worker
