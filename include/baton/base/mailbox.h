#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "baton/base/clock.h"

namespace baton {

/// A bounded queue by which threads exchange values: many senders, one receiver.
/// *Threads*: thread-safe. *Invariants*: size() <= capacity; nothing is sent after Close().
/// One of the few places with a mutex: this is what the other classes use instead of one.
template <typename T>
class Mailbox {
 public:
  explicit Mailbox(size_t capacity) : capacity_(capacity) {}

  /// Called with each send, on the sender's thread, under the lock: it must neither wait nor use
  /// the mailbox; e.g. wakes a poller. Set before the first send.
  void OnSend(std::function<void()> notify) { notify_ = std::move(notify); }

  /// False when full or closed: the caller decides what a shortage means. Takes `value` only then.
  bool TrySend(T&& value) {
    std::lock_guard lock(mutex_);
    if (closed_ || queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(value));
    // Under the lock, so that a receiver that got the value may end the mailbox.
    received_.notify_one();
    if (notify_) notify_();
    return true;
  }

  std::optional<T> TryReceive() {
    std::lock_guard lock(mutex_);
    return PopLocked();
  }

  /// Waits at most `timeout` for a value.
  std::optional<T> Receive(Duration timeout) {
    std::unique_lock lock(mutex_);
    if (timeout > Duration::zero()) {
      received_.wait_for(lock, timeout, [&] { return !queue_.empty() || closed_; });
    }
    return PopLocked();
  }

  /// Refuses further sends and wakes the receiver; what was sent can still be received.
  void Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    received_.notify_all();
    if (notify_) notify_();
  }

  size_t size() const {
    std::lock_guard lock(mutex_);
    return queue_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  std::optional<T> PopLocked() {
    if (queue_.empty()) return std::nullopt;
    T value = std::move(queue_.front());
    queue_.pop_front();
    return value;
  }

  const size_t capacity_;
  std::function<void()> notify_;
  mutable std::mutex mutex_;
  std::condition_variable received_;
  std::deque<T> queue_;
  bool closed_ = false;
};

}  // namespace baton
