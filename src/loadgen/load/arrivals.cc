#include "baton/loadgen/arrivals.h"

#include "baton/base/check.h"
#include "distributions.h"

namespace baton::loadgen {
namespace {

/// In units of the mean gap.
double DrawUnitGap(const ArrivalOptions& options, Random& random) {
  switch (options.kind) {
    case ArrivalKind::kPoisson: return DrawExponential(random);
    case ArrivalKind::kGamma: return DrawGamma(1 / (options.cv * options.cv), random);
    case ArrivalKind::kConstant: break;
  }
  return 1;
}

}  // namespace

Duration DrawGap(const ArrivalOptions& options, Random& random) {
  const double gap_s = DrawUnitGap(options, random) / options.requests_per_s;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(gap_s));
}

std::vector<Duration> DrawArrivals(const ArrivalOptions& options, const Extent& extent,
                                   Random& random) {
  BATON_CHECK(extent.requests < Extent{}.requests || extent.duration < Duration::max());
  std::vector<Duration> due;
  for (Duration at{}; static_cast<int64_t>(due.size()) < extent.requests;) {
    at += DrawGap(options, random);
    if (at >= extent.duration) break;
    due.push_back(at);
  }
  return due;
}

}  // namespace baton::loadgen
