#pragma once

#include <mutex>
#include <utility>
#include <vector>

namespace baton {

/// Values that threads pile up for another one, which takes all of them at once: whoever lays the
/// first down tells the taker, so that a burst costs one wake-up. Unlike a Mailbox it neither
/// wakes nor waits, and has no capacity: what is laid down must be bounded otherwise.
/// *Threads*: thread-safe; one taker.
template <typename T>
class Pile {
 public:
  /// True when there was nothing: the taker has to be told.
  [[nodiscard]] bool Add(T value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    return values_.size() == 1;
  }

  /// What was laid down since the last time, in order. Leaves the memory of `into` for what comes
  /// next. REQUIRES: `into` is empty.
  void TakeAll(std::vector<T>& into) {
    std::lock_guard lock(mutex_);
    values_.swap(into);
  }

 private:
  /// Held for a push or a swap; a mailbox would wake its reader for each value.
  std::mutex mutex_;
  std::vector<T> values_;
};

}  // namespace baton
