#include "baton/device/memory.h"

#include <algorithm>

namespace baton::device {

Result<Allocation> UploadAndWait(std::span<const std::byte> bytes, DeviceMemory& memory) {
  BATON_ASSIGN_OR_RETURN(Allocation to, memory.Allocate(bytes.size()));
  BATON_ASSIGN_OR_RETURN(const Allocation pinned, memory.AllocatePinned(bytes.size()));
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<CopyQueue> queue, memory.MakeQueue());
  std::copy(bytes.begin(), bytes.end(), pinned.get());
  BATON_RETURN_IF_ERROR(queue->ToDevice(to.get(), pinned.get(), bytes.size()));
  BATON_ASSIGN_OR_RETURN(const uint64_t mark, queue->Mark());
  for (bool reached = false; !reached;) {
    BATON_ASSIGN_OR_RETURN(reached, queue->Reached(mark));
  }
  return to;
}

}  // namespace baton::device
