#pragma once

#include <atomic>
#include <memory>

#include "baton/api/error.h"
#include "baton/base/gate.h"

namespace baton::api {

/// Counts the completions under way. *Threads*: thread-safe.
class RunningCalls {
 public:
  /// One completion, until its answer has been written. *Threads*: lives on one thread.
  class Place {
   public:
    explicit Place(RunningCalls& calls) : calls_(calls) {}
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    /// Makes room for another one, before the end of this one's answer is written.
    void LeaveRoom();

   private:
    RunningCalls& calls_;
    bool left_ = false;
  };

  explicit RunningCalls(int limit) : limit_(limit) {}

  /// A place, or null and in `error` why not.
  std::unique_ptr<Place> Enter(ApiError& error);

  bool draining() const { return draining_; }
  /// Refuses new completions from now on.
  void Drain();
  /// True when none is left within `timeout`. REQUIRES: Drain() was called.
  bool WaitUntilIdle(Duration timeout) { return idle_.Wait(timeout); }

 private:
  const int limit_;
  /// Those that count against the limit, and those whose answer is not written.
  std::atomic<int> running_{0};
  std::atomic<int> unanswered_{0};
  std::atomic<bool> draining_{false};
  Gate idle_;
};

}  // namespace baton::api
