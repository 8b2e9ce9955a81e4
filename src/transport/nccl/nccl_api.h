#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "baton/base/status.h"
#include "baton/device/memory.h"
#include "baton/nccl/library.h"

namespace baton::transport {

/// By it the two ends of a communicator find each other; good for one communicator.
using NcclUniqueId = nccl::UniqueId;

/// A run of bytes of device memory.
struct NcclRun {
  std::byte* data = nullptr;
  uint64_t bytes = 0;
};

/// In a communicator of two, rank 0 only sends and rank 1 only receives: so what either does is in
/// one order, and no direction can wait for the other.
enum class NcclRank : int { kSends = 0, kReceives = 1 };

/// One end of a communicator, with a stream of its own. No call waits for the peer.
/// *Threads*: lives on the transport thread. *Invariants*: is destroyed only when Quiet().
class NcclCommunicator {
 public:
  virtual ~NcclCommunicator() = default;
  /// Whether what was begun last, the connection or a launch, is through. Until then only Abort()
  /// may be called. Fails with Unavailable when the communicator is broken, now or since.
  virtual Result<bool> Ready() = 0;
  /// Enqueues sends or receives of all runs, which proceed together. The peer must launch runs of
  /// the same sizes. REQUIRES: Ready().
  virtual Status Launch(std::span<const NcclRun> runs) = 0;
  /// As those of a device::CopyQueue, behind all that was launched. REQUIRES: Ready().
  virtual Result<uint64_t> Mark() = 0;
  virtual Result<bool> Reached(uint64_t mark) = 0;
  /// Ends all that is under way, from our side. Returns at once.
  virtual void Abort() = 0;
  /// After Abort(): nothing of it runs on our device any more, so it writes there no more.
  virtual bool Quiet() = 0;
};

/// What the transport needs of NCCL. The library stands behind it, and in tests a fake.
class NcclApi {
 public:
  virtual ~NcclApi() = default;
  /// E.g. 22809; the two ends of a communicator must have the same.
  virtual int version() const = 0;
  virtual Result<NcclUniqueId> MakeUniqueId() = 0;
  /// Begins to connect one end of a communicator that runs on `queue`.
  virtual Result<std::unique_ptr<NcclCommunicator>> Begin(
      const NcclUniqueId& id, NcclRank rank, std::unique_ptr<device::CopyQueue> queue) = 0;
};

}  // namespace baton::transport
