#pragma once

#include "baton/device/memory.h"

namespace baton::device {

/// The host as a device of its own: its memory is the host's, all of it pinned, and its copies are
/// done when their calls return. *Threads*: thread-safe.
class HostMemory final : public DeviceMemory {
 public:
  std::string_view name() const override { return "cpu"; }
  Result<Allocation> Allocate(size_t bytes) override;
  Result<int64_t> FreeBytes() override;
  Result<Allocation> AllocatePinned(size_t bytes) override { return Allocate(bytes); }
  Result<std::unique_ptr<CopyQueue>> MakeQueue() override;
  void MakeCurrent() override {}
};

}  // namespace baton::device
