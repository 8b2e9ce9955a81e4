#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "baton/base/clock.h"

namespace baton::worker {

/// What a worker's log says while weights load: a bar, how much is there, and how fast it comes.
/// *Threads*: lives on the thread that loads.
class LoadLog {
 public:
  LoadLog(std::string device, Clock& clock)
      : device_(std::move(device)), clock_(clock), begin_(clock.Now()) {}

  /// The line to log once so many bytes are there, for every tenth of weights that take long; else
  /// empty. REQUIRES: 0 <= done <= total, total > 0.
  std::string LineAt(int64_t done, int64_t total);

 private:
  const std::string device_;
  Clock& clock_;
  const TimePoint begin_;
  int64_t told_ = 0;
};

}  // namespace baton::worker
