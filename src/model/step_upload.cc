#include "step_upload.h"

namespace baton::model {

Status StepUpload::ReserveAndWait(size_t bytes) {
  if (bytes <= capacity_) return OkStatus();
  stream_.SynchronizeAndWait();
  const size_t capacity = std::max(bytes, 2 * capacity_);
  capacity_ = 0;
  device_.reset();
  BATON_ASSIGN_OR_RETURN(device_, memory_.Allocate(head_ + capacity));
  for (Slot& slot : slots_) {
    slot = {};
    BATON_ASSIGN_OR_RETURN(slot.pinned, memory_.AllocatePinned(capacity));
  }
  capacity_ = capacity;
  return OkStatus();
}

std::byte* StepUpload::HostAndWait() {
  Slot& slot = slots_[next_];
  if (slot.copied > 0) stream_.ReachAndWait(slot.copied);
  return slot.pinned.get();
}

void StepUpload::Send(size_t bytes) {
  Slot& slot = slots_[next_];
  stream_.ToDevice(device(), slot.pinned.get(), bytes);
  slot.copied = stream_.Mark();
  next_ = (next_ + 1) % slots_.size();
}

}  // namespace baton::model
