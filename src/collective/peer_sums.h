#pragma once

#include <memory>
#include <vector>

#include "baton/collective/communicator.h"
#include "baton/device/memory.h"
#include "baton/ops/ops.h"

namespace baton::collective {

/// Sums of a group whose devices read each other's memory, and what these need there.
/// *Threads*: thread-safe but for Enqueue, which each rank's thread calls for its rank.
class PeerSums {
 public:
  /// Null where the operations have no such sums, or none for so many ranks. Fails with
  /// ResourceExhausted. REQUIRES: the devices reach each other's memory.
  static Result<std::shared_ptr<PeerSums>> Create(const CudaGroupParts& parts);

  /// The same on all ranks. Its bits are those of pairs, so that the size of a message, and with it
  /// how many rows are in a step, changes none.
  bool Takes(const AllReduceParams& params) const;
  /// REQUIRES: Takes(params).
  void Enqueue(const AllReduceParams& params, int32_t rank, device::Stream& stream) const;
  /// No rank waits for another from now on.
  void End();

 private:
  PeerSums(const CudaGroupParts& parts, int64_t most_bytes)
      : ops_(*parts.ops),
        ranks_(static_cast<int32_t>(parts.memories.size())),
        most_bytes_(most_bytes) {}

  const ops::Ops& ops_;
  const int32_t ranks_;
  const int64_t most_bytes_;
  /// By rank.
  std::vector<device::Allocation> workspaces_;
  device::Allocation ended_;
};

}  // namespace baton::collective
