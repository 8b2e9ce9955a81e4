#pragma once

#include <algorithm>

#include "baton/base/clock.h"

namespace baton::outbound {

inline constexpr Duration kLongestPause = std::chrono::seconds(30);

/// How long to wait after so many failures in a row, of which the first counts `first`: twice as
/// long each time, and by chance, `uniform` in [0, 1), down to half of it, so that routers that
/// lost one server together do not come back together. REQUIRES: failures > 0.
inline Duration RetryPause(int failures, Duration first, double uniform) {
  const int doublings = std::min(failures - 1, 20);
  const Duration longest = std::max(first, kLongestPause);
  const Duration pause = first > longest / (1 << doublings) ? longest : first * (1 << doublings);
  return std::chrono::duration_cast<Duration>(pause * (1 - uniform / 2));
}

}  // namespace baton::outbound
