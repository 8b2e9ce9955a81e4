#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/status.h"

namespace baton::transport {

/// What carries bytes from one worker to another. kOther is what we have no name for.
enum class PathKind : uint8_t { kOther, kInProcess, kSharedMemory, kTcp, kRdma, kCudaIpc, kNccl };

/// "other", "in_process", "shm", "tcp", "rdma", "cuda_ipc", "nccl".
std::string_view PathKindName(PathKind kind);

/// A way between two workers, or all the ways that a host offers, as found and not as hoped for.
struct Path {
  /// Every kind that may carry data, each once. Empty: it cannot be told.
  std::vector<PathKind> kinds;
  /// For people: "shared memory (sysv, posix)", "tcp (lo)", "unknown".
  std::string text = "unknown";
  /// Device memory passes through pinned memory of the host on its way.
  bool staged = false;
};

/// What puts take on a path, as measured; moving a transfer's bytes takes per_transfer, per_put for
/// each of its descriptors, and bytes / bytes_per_s.
struct PathCost {
  Duration per_transfer{};
  Duration per_put{};
  double bytes_per_s = 0;
};

/// "shm", "shm+tcp" or "unknown".
std::string KindNames(const Path& path);

/// The kinds that a deployment accepts; empty accepts any.
using RequiredPaths = std::vector<PathKind>;

/// Of "any", "shm", "tcp", "rdma", "cuda_ipc"; "any" is the empty list and stands alone. Fails with
/// InvalidArgument.
Result<RequiredPaths> ParseRequiredPaths(const std::vector<std::string>& names);

/// Fails with FailedPrecondition, naming both, when nothing that the host offers is required.
Status CheckOffered(const RequiredPaths& required, const Path& offered);

/// Fails with FailedPrecondition, naming both, unless all that may carry data is required.
Status CheckFound(const RequiredPaths& required, const Path& found);

}  // namespace baton::transport
