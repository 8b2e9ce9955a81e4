#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "baton/base/clock.h"

namespace baton::simulation {

/// What is to happen, by time, on a clock that stands still in between.
class EventQueue {
 public:
  const ManualClock& clock() const { return clock_; }
  ManualClock& clock() { return clock_; }
  TimePoint now() const { return clock_.Now(); }

  void At(TimePoint time, std::function<void()> event) {
    events_.emplace(std::pair(std::max(time, now()), next_++), std::move(event));
  }
  void After(Duration delay, std::function<void()> event) { At(now() + delay, std::move(event)); }

  /// Goes to the next event and does it; false when there is none.
  bool Next() {
    if (events_.empty()) return false;
    auto first = events_.extract(events_.begin());
    clock_.Advance(first.key().first - now());
    first.mapped()();
    return true;
  }

 private:
  ManualClock clock_;
  /// Those of one time in the order of their coming.
  std::map<std::pair<TimePoint, uint64_t>, std::function<void()>> events_;
  uint64_t next_ = 0;
};

}  // namespace baton::simulation
