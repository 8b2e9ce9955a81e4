#include "ratio_hold.h"

#include <algorithm>

namespace baton::router {

bool RatioHold::Look(TimePoint now, const RatioOutlook& current, const RatioOutlook& best) {
  if (best.capacity_per_s <= kMargin * current.capacity_per_s) {
    Break();
    return false;
  }
  if (!since_) since_ = now;
  if (changed_ && now - *changed_ < back_off_ * dwell_) return false;
  return now - *since_ >= dwell_ / kHoldPart;
}

void RatioHold::OnChange(TimePoint now, bool failed) {
  back_off_ = failed ? std::min(2 * back_off_, kMostBackOff) : 1;
  changed_ = now;
  Break();
}

}  // namespace baton::router
