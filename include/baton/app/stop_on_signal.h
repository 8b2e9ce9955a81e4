#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

#include "baton/app/file_descriptor.h"
#include "baton/base/clock.h"

namespace baton::app {

/// Asks for a stop at the first SIGINT, SIGTERM or SIGHUP; the second ends the process at once.
/// Counts the SIGUSR1, each of which asks for a dump of what is under way.
/// Construct before other threads start, which then inherit the blocked signals.
class StopOnSignal {
 public:
  /// `clock` outlives this.
  explicit StopOnSignal(Clock& clock);
  ~StopOnSignal();

  std::stop_token token() const { return stop_.get_token(); }
  int dumps() const { return dumps_; }

 private:
  void Watch();

  Clock& clock_;
  std::stop_source stop_;
  std::atomic<int> dumps_{0};
  FileDescriptor signals_;
  /// Wakes the thread when this object goes.
  FileDescriptor end_;
  std::jthread thread_;
};

}  // namespace baton::app
