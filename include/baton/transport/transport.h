#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/transport/path.h"

namespace baton::transport {

/// A connected peer; never reused within a process.
enum class PeerId : uint32_t {};
enum class TransferId : uint64_t {};

/// Where a region lies. Memory of a device is out of the host's reach.
enum class MemoryKind : uint8_t { kHost, kDevice };

/// Memory that peers may write: the KV pool of one rank. Owned by the transport.
struct MemoryRegion {
  std::byte* data = nullptr;
  size_t bytes = 0;
  MemoryKind memory = MemoryKind::kHost;
};

/// A run of bytes to copy, as offsets into a region of ours and one of the peer's. Regions are
/// known by their number in the order of allocation.
struct Descriptor {
  uint64_t local_offset = 0;
  uint64_t remote_offset = 0;
  uint64_t bytes = 0;
  uint32_t local_region = 0;
  uint32_t remote_region = 0;

  bool operator==(const Descriptor&) const = default;
};

/// Adds a run, or makes the last one longer where `next` goes on with it on both sides.
void AppendRun(std::vector<Descriptor>& runs, const Descriptor& next);

/// What a transport tells its owner, from within Progress().
class TransportListener {
 public:
  virtual ~TransportListener() = default;
  virtual void OnMessage(PeerId peer, std::span<const std::byte> message) = 0;
  /// OK: every byte of the transfer is visible to the peer.
  virtual void OnTransferDone(PeerId peer, TransferId transfer, Status status) = 0;
};

/// What arrived and was thrown away, by why.
struct DroppedCounts {
  /// From a process that we are not connected to, e.g. no longer.
  int64_t unknown_peer = 0;
  /// Sent over a connection that its sender has replaced since.
  int64_t earlier_connection = 0;
  /// Not ours, or outside our regions.
  int64_t malformed = 0;
};

/// Moves bytes between workers: one-sided puts and short messages.
/// *Threads*: lives on the transport thread, but for Wake(). *Invariants*: every put that was
/// started ends with exactly one OnTransferDone; messages of one peer arrive in order, and after
/// the puts that were done before they were sent.
class Transport {
 public:
  virtual ~Transport() = default;

  /// "ucx", "loopback".
  virtual std::string_view name() const = 0;
  /// Set before the first Progress().
  virtual void SetListener(TransportListener* listener) = 0;
  /// Allocates, touches and registers one more region, at most kMaxRegions. REQUIRES: Address() was
  /// not asked for and nobody is connected. Fails with ResourceExhausted, and with InvalidArgument
  /// for a kind of memory that this transport does not move.
  virtual Result<MemoryRegion> AllocateRegion(size_t bytes,
                                              MemoryKind memory = MemoryKind::kHost) = 0;
  /// What a peer needs to connect to us: opaque bytes, valid for the life of this process.
  virtual Result<std::string> Address() const = 0;
  /// Connects to a peer, so that we can send to it and hear it. Both sides connect before either
  /// sends: a message from a process that we are not connected to is dropped and counted. Both give
  /// the same `connection`, another one each time: what was sent or put before is not taken.
  /// Fails with InvalidArgument (not an address), AlreadyExists (connected now) or Unavailable, as
  /// long as a put of an earlier connection can still land: one of ours there, or one of the peer's
  /// that we carry out here.
  virtual Result<PeerId> Connect(const std::string& peer_address, uint64_t connection) = 0;
  /// For those who connect once.
  Result<PeerId> Connect(const std::string& peer_address) { return Connect(peer_address, 0); }
  /// Both sides have connected: does ahead of time what the first put would wait for. Optional.
  virtual void Prepare(PeerId) {}
  /// Ends the connection: transfers under way end with Unavailable (reported by the next
  /// Progress()), no put of ours starts afterwards, and nothing of the peer's is delivered. Returns
  /// within a short deadline, whatever state the peer is in.
  virtual void Disconnect(PeerId peer) = 0;
  /// False only when it is proven that the peer can write no more into our region, e.g. because its
  /// process has ended. Also answers for peers that are disconnected.
  virtual bool CanStillWrite(PeerId peer) const = 0;
  /// True when the peer's process is there for certain, though it may be stopped. Also answers for
  /// peers that are disconnected.
  virtual bool IsThere(PeerId) const { return false; }
  virtual DroppedCounts dropped() const { return {}; }
  /// Sends a message of at most kMaxMessageBytes. Fails with Unavailable for an unknown peer.
  virtual Status Send(PeerId peer, std::span<const std::byte> message) = 0;
  /// Starts a transfer of all descriptors. Fails with OutOfRange outside the regions.
  virtual Result<TransferId> Put(PeerId peer, std::span<const Descriptor> descriptors) = 0;
  /// Does what is ready and calls the listener. True when anything happened.
  virtual bool Progress() = 0;
  /// Sleeps until there may be something to do, Wake() is called, or `timeout` passes.
  virtual void Wait(Duration timeout) = 0;
  /// Ends a Wait() under way or the next one. Thread-safe.
  virtual void Wake() = 0;
  /// What may carry data to some peer: all that this host offers, within our options.
  virtual Path OfferedPaths() const = 0;
  /// What carries the data to this peer, as found; "not connected" when it is not.
  virtual Path FindPath(PeerId peer) const = 0;
  /// What puts to this peer cost; none before the first large ones.
  virtual std::optional<PathCost> CostOf(PeerId) const { return std::nullopt; }
  /// FindPath(), for people.
  std::string DescribePath(PeerId peer) const { return FindPath(peer).text; }

  static constexpr size_t kMaxMessageBytes = size_t{4} << 20;
  static constexpr size_t kMaxRegions = 64;
};

}  // namespace baton::transport
