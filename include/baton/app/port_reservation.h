#pragma once

#include <cstdint>
#include <string>

#include "baton/app/file_descriptor.h"
#include "baton/base/status.h"

namespace baton::app {

/// A free TCP port kept for a process that may start and end many times: while this lives, a
/// server that sets SO_REUSEADDR (as gRPC's do) can listen on it, and the system gives it to nobody
/// else. Bound, never listening.
class PortReservation {
 public:
  /// Fails with InvalidArgument when `host` is no IPv4 or IPv6 address, with Unavailable when no
  /// port is free.
  static Result<PortReservation> Take(const std::string& host);

  int32_t port() const { return port_; }

 private:
  PortReservation(FileDescriptor socket, int32_t port) : socket_(std::move(socket)), port_(port) {}

  FileDescriptor socket_;
  int32_t port_ = 0;
};

}  // namespace baton::app
