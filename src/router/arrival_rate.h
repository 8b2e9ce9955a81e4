#pragma once

#include <algorithm>
#include <optional>

#include "baton/base/clock.h"

namespace baton::router {

/// How many requests come a second, of late.
class ArrivalRate {
 public:
  void Count(TimePoint now) {
    if (last_) {
      gaps_ = kKeep * gaps_ + 1;
      seconds_ = kKeep * seconds_ + Seconds(now - *last_);
    }
    last_ = now;
  }

  /// Zero before there were two.
  double PerSecond(TimePoint now) const {
    if (gaps_ == 0) return 0;
    // Since the last: no gap yet, but as long as the others if it is to say anything.
    const double since = std::max(0.0, Seconds(now - *last_) - seconds_ / gaps_);
    return gaps_ / std::max(seconds_ + since, kShortest);
  }

 private:
  /// Weight of the past against the newest gap.
  static constexpr double kKeep = 0.98;
  /// Of all gaps; a clock may stand.
  static constexpr double kShortest = 1e-6;

  std::optional<TimePoint> last_;
  double gaps_ = 0;
  double seconds_ = 0;
};

}  // namespace baton::router
