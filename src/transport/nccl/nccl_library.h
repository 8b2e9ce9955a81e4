#pragma once

#include <memory>
#include <string>

#include "nccl_api.h"

namespace baton::transport {

/// Communicators of NCCL, loaded by this name, on the device of `memory`. Fails as nccl::Load does.
Result<std::unique_ptr<NcclApi>> LoadNccl(std::shared_ptr<device::DeviceMemory> memory,
                                          const std::string& library = "libnccl.so.2");

}  // namespace baton::transport
