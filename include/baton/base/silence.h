#pragma once

#include <algorithm>

#include "baton/base/clock.h"

namespace baton {

/// For how long somebody has said nothing, in time during which we ourselves listened: a look that
/// comes late, because this process was stopped or its host is overloaded, counts for one period
/// only. What came in meanwhile is thus heard before anybody is taken for lost.
class Silence {
 public:
  /// REQUIRES: `limit` is positive; `now` is the last time that something was heard.
  Silence(Duration limit, TimePoint now)
      : limit_(limit), period_(std::max(limit / kLooks, Duration{1})), looked_(now) {}

  void Heard(TimePoint now) {
    silent_ = Duration::zero();
    looked_ = std::max(looked_, now);
  }

  /// True when nothing was heard for the limit. Call at next() or more often.
  bool Look(TimePoint now) {
    silent_ += std::clamp(now - looked_, Duration::zero(), period_);
    looked_ = std::max(looked_, now);
    return silent_ >= limit_;
  }
  TimePoint next() const { return looked_ + std::min(period_, limit_ - silent_); }

 private:
  /// A silence is noticed at most limit / kLooks late.
  static constexpr int kLooks = 6;

  Duration limit_;
  Duration period_;
  Duration silent_{};
  TimePoint looked_;
};

}  // namespace baton
