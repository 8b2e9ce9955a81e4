#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "baton/collective/communicator.h"
#include "baton/device/cuda_stream.h"
#include "baton/device/memory.h"

namespace baton::bench {

/// A stream and bfloat16 elements on each of some GPUs, the first of this host.
/// *Threads*: lives on one thread; each rank's work is on one of its own.
class Ranks {
 public:
  /// Fails with Unavailable where there are fewer GPUs, and with ResourceExhausted.
  static Result<std::unique_ptr<Ranks>> Open(int32_t ranks, int64_t most_elements);

  int32_t size() const { return static_cast<int32_t>(streams_.size()); }
  /// Over these GPUs, with all that a group takes from them.
  collective::CudaGroupParts parts() const;

  /// What a sum of `count` elements by the group takes, in microseconds: the median of samples,
  /// each a CUDA graph of many, of the rank that took longest. Fails with Unavailable where the
  /// group ends or cannot be recorded.
  Result<double> MicrosecondsOf(collective::Group& group, int64_t count);

 private:
  using Body = std::function<void(size_t rank)>;

  Ranks() = default;
  /// Calls body for each rank, at the same time, with its device current.
  void OnEach(const Body& body);
  Status StatusOf(const collective::Group& group) const;

  std::vector<std::unique_ptr<device::DeviceMemory>> memories_;
  std::vector<device::Allocation> elements_;
  std::vector<std::unique_ptr<device::CudaStream>> streams_;
};

}  // namespace baton::bench
