#pragma once

#include <condition_variable>
#include <mutex>

#include "baton/base/clock.h"

namespace baton {

/// Opens once; threads wait at it with a deadline. *Threads*: thread-safe.
class Gate {
 public:
  void Open() {
    // Notifies under the lock, so that whoever passed may end the gate.
    std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  /// True when the gate opened within `timeout`.
  bool Wait(Duration timeout) {
    std::unique_lock lock(mutex_);
    return opened_.wait_for(lock, timeout, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace baton
