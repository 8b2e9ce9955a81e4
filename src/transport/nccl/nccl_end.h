#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "baton/transport/nccl.h"
#include "nccl_api.h"

namespace baton::transport {

/// What both ends of a direction need of their surroundings; it outlives them.
struct NcclSurroundings {
  NcclApi& api;
  device::DeviceMemory& memory;
  NcclOptions options;
  /// Ours; complete before the first connection.
  std::vector<MemoryRegion> regions;
};

/// A part of a transfer, or all of it, that goes as one.
struct NcclLaunch {
  uint64_t transfer = 0;
  /// No more launches follow for this transfer.
  bool last = false;
};

/// Our end of a communicator, once it is begun, with the launches on it that our device has not
/// finished. What fails means that the communicator is broken.
/// *Threads*: lives on the transport thread.
class NcclEnd {
 public:
  Status Begin(const NcclSurroundings& around, const NcclUniqueId& id, NcclRank rank);
  bool begun() const { return communicator_ != nullptr; }
  /// Whether both ends have met. Fails with Unavailable when they have not by the deadline.
  Result<bool> Meet(TimePoint now, TimePoint deadline);

  size_t launches() const { return launches_.size(); }
  /// The last launch is not enqueued yet, and there can be no other.
  bool launching() const { return launching_; }
  Status Launch(const NcclLaunch& launch, std::span<const NcclRun> runs);
  /// True when the last launch has been enqueued since.
  Result<bool> FinishLaunching();
  /// The first of the launches, once our device has finished it.
  Result<std::optional<NcclLaunch>> TakeFinished();

  /// Ends the communicator, if there is one, and forgets the launches.
  void Abort();
  /// After Abort(): nothing can write any more.
  bool Quiet() { return !begun() || communicator_->Quiet(); }
  /// Gives up the communicator, if there is one.
  std::unique_ptr<NcclCommunicator> Release() { return std::move(communicator_); }

 private:
  struct Launched {
    NcclLaunch launch;
    uint64_t mark = 0;
  };
  std::unique_ptr<NcclCommunicator> communicator_;
  std::deque<Launched> launches_;
  bool launching_ = false;
};

}  // namespace baton::transport
