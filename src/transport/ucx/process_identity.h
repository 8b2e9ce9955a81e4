#pragma once

#include <cstdint>
#include <string>

namespace baton::transport {

/// Which process on which host: enough to see from the same host that it has ended.
struct ProcessIdentity {
  /// Of the running kernel.
  std::string boot_id;
  std::string ipc_namespace;
  std::string pid_namespace;
  int32_t pid = 0;
  /// Clock ticks after boot; tells a process from a later one of the same pid.
  uint64_t start_time = 0;

  static ProcessIdentity Own();

  /// Whether memory can be shared and pids compared.
  bool SharesKernelWith(const ProcessIdentity& other) const {
    return !boot_id.empty() && boot_id == other.boot_id && ipc_namespace == other.ipc_namespace &&
           pid_namespace == other.pid_namespace;
  }
  /// True when the process has ended for certain. REQUIRES: SharesKernelWith(Own()).
  bool HasEnded() const;
};

}  // namespace baton::transport
