#include "ratio_plan.h"

#include <algorithm>
#include <cstdlib>

#include "role_plan.h"

namespace baton::router {
namespace {

/// What is less than this better is no better.
constexpr double kAlike = 1.05;
/// What of a mixed worker's part a prefill worker with nothing to prefill counts for: it decodes
/// only what no decode worker can.
constexpr double kSpare = 0.5;
constexpr int kTenths = 10;

int Moves(const api::RoleCounts& from, const api::RoleCounts& to) {
  return (std::abs(from.prefill - to.prefill) + std::abs(from.decode - to.decode) +
          std::abs(from.mixed - to.mixed)) /
         2;
}

double At(const std::vector<double>& by_share, int workers) {
  return by_share[static_cast<size_t>(
      std::clamp<int>(workers, 1, static_cast<int>(by_share.size())) - 1)];
}

}  // namespace

RatioPlan::RatioPlan(const std::vector<RequestSample>& requests,
                     const std::vector<WorkerSpeed>& workers, bool by_cost)
    : by_cost_(by_cost) {
  const RoleCapacity capacity(requests, workers);
  const int shares = std::min(kMostShares, static_cast<int>(workers.size()));
  for (int share = 1; share <= shares; ++share) {
    prefill_.push_back(capacity.Prefill(share));
    mixed_.push_back(capacity.Generate(share, 1));
  }
  for (int tenths = 0; tenths < (by_cost ? kTenths : 1); ++tenths) {
    decode_.push_back(capacity.Generate(1, static_cast<double>(tenths) / kTenths));
  }
}

RatioOutlook RatioPlan::Of(const api::RoleCounts& counts) const {
  RatioOutlook outlook{.counts = counts};
  if (!CanServe(counts)) return outlook;
  outlook.mixed_per_s = counts.mixed * (counts.mixed > 0 ? At(mixed_, counts.mixed) : 0);
  if (counts.prefill > 0 && counts.decode > 0) {
    for (size_t tenths = 0; tenths < decode_.size(); ++tenths) {
      const double remote = 1 - static_cast<double>(tenths) / kTenths;
      const double prefill = counts.prefill * At(prefill_, counts.prefill) / remote;
      const double decode = counts.decode * decode_[tenths];
      const double pairs = std::min(prefill, decode);
      const double spare = by_cost_ && prefill > 0 ? kSpare * (1 - pairs / prefill) : 0;
      const double most = pairs + spare * counts.prefill * At(mixed_, counts.prefill);
      if (most <= outlook.capacity_per_s) continue;
      outlook.capacity_per_s = most;
      outlook.prefill_per_s = prefill;
      outlook.decode_per_s = decode;
    }
  }
  outlook.capacity_per_s += outlook.mixed_per_s;
  return outlook;
}

RatioOutlook RatioPlan::Best(const api::RoleCounts& now) const {
  std::vector<RatioOutlook> all;
  double most = 0;
  for (int32_t prefill = 0; prefill <= now.total(); ++prefill) {
    for (int32_t decode = 0; decode <= now.total() - prefill; ++decode) {
      const api::RoleCounts counts{prefill, decode, now.total() - prefill - decode};
      if (by_cost_ && counts.mixed > 0 && counts != now) continue;
      all.push_back(Of(counts));
      most = std::max(most, all.back().capacity_per_s);
    }
  }
  std::erase_if(all, [&](const RatioOutlook& outlook) {
    return outlook.capacity_per_s * kAlike < most || !CanServe(outlook.counts);
  });
  // Nobody can serve any; so all stays.
  if (most <= 0) return Of(now);
  return *std::min_element(all.begin(), all.end(),
                           [&](const RatioOutlook& a, const RatioOutlook& b) {
                             return std::pair(Moves(now, a.counts), -a.capacity_per_s) <
                                    std::pair(Moves(now, b.counts), -b.capacity_per_s);
                           });
}

}  // namespace baton::router
