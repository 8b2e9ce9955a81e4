#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "baton/app/file_descriptor.h"

namespace baton::app {

// glibc 2.36 declares these without C linkage.

/// Readable once the process has ended; empty when there is no such process.
inline FileDescriptor OpenPidfd(pid_t pid) {
  return FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

inline bool SendPidfdSignal(const FileDescriptor& pidfd, int signal) {
  return syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

}  // namespace baton::app
