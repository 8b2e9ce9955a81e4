#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/random.h"

namespace baton::loadgen {

/// How requests come in an open loop: with independent gaps of one mean.
enum class ArrivalKind : uint8_t { kPoisson, kGamma, kConstant };

struct ArrivalOptions {
  ArrivalKind kind = ArrivalKind::kPoisson;
  double requests_per_s = 1;
  /// Of kGamma: the gaps' standard deviation over their mean. 1 is Poisson, more is burstier.
  double cv = 1;
};

/// How much is asked: whichever comes first.
struct Extent {
  int64_t requests = std::numeric_limits<int64_t>::max();
  Duration duration = Duration::max();
};

/// One gap between two requests.
Duration DrawGap(const ArrivalOptions& options, Random& random);

/// When each request is due, from the start of the load. REQUIRES: a bound in `extent`.
std::vector<Duration> DrawArrivals(const ArrivalOptions& options, const Extent& extent,
                                   Random& random);

}  // namespace baton::loadgen
