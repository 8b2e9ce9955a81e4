#pragma once

#include <functional>
#include <mutex>
#include <shared_mutex>

namespace baton::http {

/// Lets the backend's threads reach the strands until the server stops; afterwards the sinks that
/// they still hold reach nothing. *Threads*: thread-safe. A mutex and not a mailbox: what waits
/// behind it is the end of the I/O threads themselves.
class PostGate {
 public:
  void IfOpen(const std::function<void()>& run) {
    std::shared_lock lock(mutex_);
    if (open_) run();
  }
  void Close() {
    std::unique_lock lock(mutex_);
    open_ = false;
  }

 private:
  std::shared_mutex mutex_;
  bool open_ = true;
};

}  // namespace baton::http
