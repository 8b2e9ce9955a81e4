#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "baton/access/caller.h"
#include "baton/api/error.h"
#include "baton/base/gate.h"

namespace baton::api {

/// Counts the completions under way. *Threads*: thread-safe.
class RunningCalls {
 public:
  /// One completion, until its answer has been written. *Threads*: lives on one thread.
  class Place {
   public:
    Place(RunningCalls& calls, access::Caller caller) : calls_(calls), caller_(std::move(caller)) {}
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    /// Makes room for another one, before the end of this one's answer is written.
    void LeaveRoom();
    const access::Caller& caller() const { return caller_; }

   private:
    friend class RunningCalls;
    RunningCalls& calls_;
    const access::Caller caller_;
    /// Counted against the caller's key.
    bool of_key_ = false;
    bool left_ = false;
  };

  /// REQUIRES: `clock` outlives this.
  RunningCalls(int limit, const Clock& clock) : limit_(limit), clock_(clock) {}

  /// A place for a completion of `caller`, or null and in `error` why not.
  std::unique_ptr<Place> Enter(access::Caller caller, ApiError& error);

  /// Those that are under way go on.
  void SetLimit(int limit) { limit_ = limit; }

  bool draining() const { return draining_; }
  /// Refuses new completions from now on.
  void Drain();
  /// True when none is left within `timeout`. REQUIRES: Drain() was called.
  bool WaitUntilIdle(Duration timeout) { return idle_.Wait(timeout); }

 private:
  std::atomic<int> limit_;
  const Clock& clock_;
  /// Those that count against the limit, and those whose answer is not written.
  std::atomic<int> running_{0};
  std::atomic<int> unanswered_{0};
  std::atomic<bool> draining_{false};
  Gate idle_;
};

}  // namespace baton::api
