#pragma once

#include <optional>

#include "baton/base/clock.h"
#include "ratio_plan.h"

namespace baton::router {

/// When another ratio is worth a change: it must promise more than a margin, without a break for a
/// while, and the last change must be long enough ago. What promises more after a change would have
/// to promise the margin again to be undone, so that a load between two ratios stays with either.
/// *Threads*: lives on one thread.
class RatioHold {
 public:
  /// How much more another ratio must promise.
  static constexpr double kMargin = 1.15;
  /// For how much of the dwell it must promise it.
  static constexpr int kHoldPart = 6;

  /// `dwell`: least time between two changes.
  explicit RatioHold(Duration dwell) : dwell_(dwell) {}

  void SetDwell(Duration dwell) { dwell_ = dwell; }
  /// Whether to change from `current` to `best` now.
  bool Look(TimePoint now, const RatioOutlook& current, const RatioOutlook& best);
  /// Nothing can be told at present, so that what was promised begins anew.
  void Break() { since_.reset(); }
  /// Roles have changed, by whomever, or could not be.
  void OnChange(TimePoint now, bool failed);

 private:
  static constexpr int kMostBackOff = 16;

  Duration dwell_;
  /// Doubles with each change in a row that failed.
  int back_off_ = 1;
  std::optional<TimePoint> since_;
  std::optional<TimePoint> changed_;
};

}  // namespace baton::router
