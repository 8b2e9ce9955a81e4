#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "baton/app/file_descriptor.h"
#include "baton/base/status.h"

namespace baton::app {

/// A started process and the ends of its pipes that are ours, which do not block.
struct ChildProcess {
  pid_t pid = -1;
  /// Readable once the process has ended.
  FileDescriptor pidfd;
  /// Its standard output and error.
  FileDescriptor output;
  /// What it writes with Notify().
  FileDescriptor notes;
};

/// Starts `executable` with `arguments` (argv[0] included) in a process group of its own, with no
/// signal blocked, nothing on standard input, and the order to the kernel to kill it when the
/// calling thread's process ends. Fails with Unavailable when it cannot be executed.
Result<ChildProcess> StartProcess(const std::string& executable,
                                  const std::vector<std::string>& arguments);

/// Sends a signal to the process; false when it has ended.
bool SendSignal(const ChildProcess& child, int signal);

/// Takes the end of a process whose pidfd is readable, after killing what is left of its group.
/// "exit code 1", "signal 9 (Killed)".
struct ProcessEnd {
  bool exited = false;
  /// Exit code or signal.
  int code = 0;
  std::string Describe() const;
};
ProcessEnd Reap(const ChildProcess& child);

}  // namespace baton::app
