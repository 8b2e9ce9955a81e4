#include "staging.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace baton::transport {
Result<PinnedSlots> PinnedSlots::Make(device::DeviceMemory& memory, size_t slots,
                                      size_t slot_bytes) {
  PinnedSlots made;
  made.slot_bytes_ = slot_bytes;
  BATON_ASSIGN_OR_RETURN(made.memory_, memory.AllocatePinned(slots * slot_bytes));
  BATON_ASSIGN_OR_RETURN(made.queue_, memory.MakeQueue());
  for (size_t slot = slots; slot > 0; --slot) made.Give(static_cast<uint32_t>(slot - 1));
  return made;
}

std::optional<uint32_t> PinnedSlots::Take() {
  if (free_.empty()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

Result<std::optional<uint32_t>> StagedSource::Fetch(std::span<const std::byte> from) {
  const std::optional<uint32_t> slot = slots_.Take();
  if (!slot) return slot;
  BATON_RETURN_IF_ERROR(slots_.queue().ToHost(slots_.at(*slot), from.data(), from.size()));
  fetching_.push_back({*slot, 0});
  return slot;
}

/// One mark for all that was fetched since the last look.
Result<std::optional<uint32_t>> StagedSource::Fetched() {
  if (fetching_.empty()) return std::optional<uint32_t>();
  if (fetching_.front().mark == 0) {
    BATON_ASSIGN_OR_RETURN(const uint64_t mark, slots_.queue().Mark());
    for (Copy& copy : fetching_) copy.mark = mark;
  }
  BATON_ASSIGN_OR_RETURN(const bool reached, slots_.queue().Reached(fetching_.front().mark));
  if (!reached) return std::optional<uint32_t>();
  const uint32_t slot = fetching_.front().slot;
  fetching_.pop_front();
  return std::optional(slot);
}

bool StagedSource::Idle() {
  for (;;) {
    const Result<std::optional<uint32_t>> slot = Fetched();
    if (!slot.ok()) return true;
    if (!*slot) return fetching_.empty();
    Give(**slot);
  }
}

StagedLanding::~StagedLanding() {
  const TimePoint end = Clock::System().Now() + slot_deadline_;
  while (!copies_.empty() && Advance().ok() && Clock::System().Now() < end) {
    std::erase_if(copies_, [](const Copy& copy) { return copy.in_place; });
  }
}

Status StagedLanding::Land(const Piece& piece, std::span<const std::byte> bytes, std::byte* to) {
  std::optional<uint32_t> slot = slots_.Take();
  const TimePoint end = Clock::System().Now() + slot_deadline_;
  while (!slot) {
    BATON_RETURN_IF_ERROR(Advance());
    slot = slots_.Take();
    if (slot) break;
    if (stuck_ || Clock::System().Now() >= end) {
      stuck_ = true;
      return DeadlineExceeded("the device takes no pieces");
    }
    std::this_thread::yield();
  }
  std::memcpy(slots_.at(*slot), bytes.data(), bytes.size());
  BATON_RETURN_IF_ERROR(slots_.queue().ToDevice(to, slots_.at(*slot), bytes.size()));
  copies_.push_back({piece, *slot});
  return OkStatus();
}

/// Frees the slots of what is in place; Poll() reports it.
Status StagedLanding::Advance() {
  if (!copies_.empty() && copies_.back().mark == 0) {
    BATON_ASSIGN_OR_RETURN(const uint64_t mark, slots_.queue().Mark());
    for (auto copy = copies_.rbegin(); copy != copies_.rend() && copy->mark == 0; ++copy) {
      copy->mark = mark;
    }
  }
  for (Copy& copy : copies_) {
    if (copy.in_place) continue;
    BATON_ASSIGN_OR_RETURN(copy.in_place, slots_.queue().Reached(copy.mark));
    if (!copy.in_place) break;
    slots_.Give(copy.slot);
    stuck_ = false;
  }
  return OkStatus();
}

Status StagedLanding::Poll(std::vector<Piece>& landed) {
  if (copies_.empty()) return OkStatus();
  BATON_RETURN_IF_ERROR(Advance());
  while (!copies_.empty() && copies_.front().in_place) {
    landed.push_back(copies_.front().piece);
    copies_.pop_front();
  }
  return OkStatus();
}

bool StagedLanding::IsLandingOf(uint64_t tag) const {
  return std::any_of(copies_.begin(), copies_.end(), [tag](const Copy& copy) {
    return copy.piece.header.tag == tag && !copy.in_place;
  });
}

bool StagedLanding::IsLanding(PeerId peer) const {
  return std::any_of(copies_.begin(), copies_.end(), [peer](const Copy& copy) {
    return copy.piece.peer == peer && !copy.in_place;
  });
}

}  // namespace baton::transport
