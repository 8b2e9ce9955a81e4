#pragma once

#include <memory>
#include <string>

#include "nccl_api.h"

namespace baton::transport {

/// Older ones lack what we need, or abort communicators unreliably.
inline constexpr int kLeastNcclVersion = 21800;

/// Loads NCCL, of this name, into the process, where it stays. Its communicators are on the device
/// of `memory`. Fails with Unavailable, saying what is missing.
Result<std::unique_ptr<NcclApi>> LoadNccl(std::shared_ptr<device::DeviceMemory> memory,
                                          const std::string& library = "libnccl.so.2");

/// Fails with Unavailable for a version that is too old, or of another major version than the one
/// that this was compiled against.
Status CheckNcclVersion(int version, int compiled_version);

}  // namespace baton::transport
