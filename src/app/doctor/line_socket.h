#pragma once

#include <string>

#include "baton/app/file_descriptor.h"
#include "baton/base/clock.h"
#include "baton/base/status.h"

namespace baton::app {

/// A TCP connection over which two doctors exchange lines. Every wait has a deadline.
class LineSocket {
 public:
  explicit LineSocket(FileDescriptor fd) : fd_(std::move(fd)) {}
  /// Fails with Unavailable or InvalidArgument.
  static Result<LineSocket> Dial(const std::string& address);

  Status Send(const std::string& line);
  /// Without its end. Fails with Unavailable, DeadlineExceeded, or InvalidArgument when it is
  /// longer than any of ours.
  Result<std::string> Receive();
  /// The other end has closed the connection.
  bool closed() const;

 private:
  FileDescriptor fd_;
  std::string buffer_;
};

/// Listens on "host:port" or "port".
class LineListener {
 public:
  static Result<LineListener> Listen(const std::string& address);
  /// "host:port" with the port in use.
  const std::string& address() const { return address_; }
  /// Fails with DeadlineExceeded when nobody comes in time.
  Result<LineSocket> Accept(Duration timeout) const;

 private:
  LineListener(FileDescriptor fd, std::string address)
      : fd_(std::move(fd)), address_(std::move(address)) {}
  FileDescriptor fd_;
  std::string address_;
};

}  // namespace baton::app
