#pragma once

#include <memory>

#include "support/fake_device.h"
#include "support/transport_endpoint.h"

namespace baton::transport {

/// How tests reach regions on a FakeDevice.
inline RegionAccess OnFakeDevice(std::shared_ptr<device::FakeDevice> device) {
  const RegionAccess::Copy copy = [device](std::byte* to, const std::byte* from, size_t bytes) {
    device->Copy(to, from, bytes);
  };
  return {.memory = MemoryKind::kDevice, .read = copy, .write = copy};
}

}  // namespace baton::transport
