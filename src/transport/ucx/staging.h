#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "baton/device/memory.h"
#include "baton/transport/transport.h"
#include "put_message.h"

namespace baton::transport {

/// Pinned memory of the host in slots of a piece each, and the queue of copies that use them.
class PinnedSlots {
 public:
  /// Fails with ResourceExhausted.
  static Result<PinnedSlots> Make(device::DeviceMemory& memory, size_t slots, size_t slot_bytes);

  /// A slot that nobody uses.
  std::optional<uint32_t> Take();
  bool HasFree() const { return !free_.empty(); }
  void Give(uint32_t slot) { free_.push_back(slot); }
  std::byte* at(uint32_t slot) const { return memory_.get() + size_t{slot} * slot_bytes_; }
  device::CopyQueue& queue() const { return *queue_; }

 private:
  PinnedSlots() = default;

  size_t slot_bytes_ = 0;
  /// Outlives the queue, whose copies use it.
  device::Allocation memory_;
  std::unique_ptr<device::CopyQueue> queue_;
  std::vector<uint32_t> free_;
};

/// The sending end of puts out of device memory: pieces are fetched into slots and sent from there.
/// *Threads*: lives on the transport thread. *Invariants*: is not destroyed before Idle().
class StagedSource {
 public:
  explicit StagedSource(PinnedSlots slots) : slots_(std::move(slots)) {}

  /// Starts to fetch; nothing when all slots are in use. `Fetch`es are given out in order.
  Result<std::optional<uint32_t>> Fetch(std::span<const std::byte> from);
  /// The first slot that was not given out, once its bytes are there.
  Result<std::optional<uint32_t>> Fetched();
  void Give(uint32_t slot) { slots_.Give(slot); }
  std::byte* at(uint32_t slot) const { return slots_.at(slot); }
  bool HasSlot() const { return slots_.HasFree(); }
  bool fetching() const { return !fetching_.empty(); }
  /// No copy is under way, or none will ever end.
  bool Idle();

 private:
  struct Copy {
    uint32_t slot = 0;
    /// 0: it has none yet.
    uint64_t mark = 0;
  };

  PinnedSlots slots_;
  std::deque<Copy> fetching_;
};

/// The receiving end of puts into device memory: pieces that arrived are copied on from slots.
/// *Threads*: lives on the transport thread.
class StagedLanding {
 public:
  struct Piece {
    PeerId peer{};
    PutHeader header;
  };

  /// `slot_deadline`: the longest wait for a slot.
  explicit StagedLanding(PinnedSlots slots, Duration slot_deadline = std::chrono::seconds(1))
      : slots_(std::move(slots)), slot_deadline_(slot_deadline) {}
  /// Waits, not for long, for copies that still use the slots.
  ~StagedLanding();

  /// Takes the bytes of a piece and starts to copy them. When all slots are in use it waits for
  /// one, but not again until the device moves. Fails with DeadlineExceeded then, and when the
  /// device is sick.
  Status Land(const Piece& piece, std::span<const std::byte> bytes, std::byte* to);
  /// Appends the pieces that are in place now. Fails when the device is sick.
  Status Poll(std::vector<Piece>& landed);
  bool landing() const { return !copies_.empty(); }
  /// Whether a piece of this peer is still on its way.
  bool IsLanding(PeerId peer) const;
  /// The same of a sender's tag, over whichever connection.
  bool IsLandingOf(uint64_t tag) const;

 private:
  struct Copy {
    Piece piece;
    uint32_t slot = 0;
    uint64_t mark = 0;
    bool in_place = false;
  };
  Status Advance();

  PinnedSlots slots_;
  const Duration slot_deadline_;
  std::deque<Copy> copies_;
  bool stuck_ = false;
};

}  // namespace baton::transport
