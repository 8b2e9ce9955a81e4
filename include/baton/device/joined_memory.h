#pragma once

#include <memory>
#include <string>
#include <vector>

#include "baton/device/memory.h"

namespace baton::device {

/// The memory of several devices as one, for who copies to and from all of them: allocations lie on
/// the devices in turn, the first on the first. *Threads*: as DeviceMemory; its queues know only
/// what was allocated through it.
class JoinedMemory final : public DeviceMemory {
 public:
  /// They outlive this. REQUIRES: at least one.
  explicit JoinedMemory(std::vector<DeviceMemory*> devices);
  ~JoinedMemory() override;

  /// "cuda:0+cuda:1".
  std::string_view name() const override { return name_; }
  Result<Allocation> Allocate(size_t bytes) override;
  /// Of the device that has the least.
  Result<int64_t> FreeBytes() override;
  /// Of the first device; pinned memory is good for all of one driver.
  Result<Allocation> AllocatePinned(size_t bytes) override;
  Result<std::unique_ptr<CopyQueue>> MakeQueue() override;
  /// The first device.
  void MakeCurrent() override { devices_.front()->MakeCurrent(); }

  /// What lies where.
  class Places;

 private:
  const std::vector<DeviceMemory*> devices_;
  std::string name_;
  const std::shared_ptr<Places> places_;
};

}  // namespace baton::device
