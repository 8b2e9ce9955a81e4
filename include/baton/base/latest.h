#pragma once

#include <mutex>
#include <utility>

namespace baton {

/// The newest value that one thread posted, for readers on others who want it at once.
/// *Threads*: thread-safe; a mutex, because a mailbox would queue values that nobody wants.
template <typename T>
class Latest {
 public:
  Latest() = default;
  explicit Latest(T value) : value_(std::move(value)) {}

  void Post(T value) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
  }
  T Read() const {
    std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace baton
