#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "baton/device/host_memory.h"

namespace baton::testing_support {

/// Memory of the host as that of a device of so many bytes, none of which comes back: it counts
/// what is taken of it, and refuses what it has not.
class CountedMemory final : public device::DeviceMemory {
 public:
  explicit CountedMemory(int64_t bytes) : free_(bytes) {}

  std::string_view name() const override { return "counted"; }
  Result<device::Allocation> Allocate(size_t bytes) override {
    if (static_cast<int64_t>(bytes) > free_) return ResourceExhausted("no memory left");
    free_ -= static_cast<int64_t>(bytes);
    return host_.Allocate(bytes);
  }
  Result<int64_t> FreeBytes() override { return free_; }
  Result<device::Allocation> AllocatePinned(size_t bytes) override {
    return host_.AllocatePinned(bytes);
  }
  Result<std::unique_ptr<device::CopyQueue>> MakeQueue() override { return host_.MakeQueue(); }
  void MakeCurrent() override {}

 private:
  device::HostMemory host_;
  int64_t free_;
};

}  // namespace baton::testing_support
