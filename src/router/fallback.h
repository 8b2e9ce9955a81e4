#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "routing_policy.h"

namespace baton::router {

/// How far a worker is to be trusted with a request.
enum class Trust : uint8_t {
  kFull,
  /// Requests fail there, one after the other.
  kBroken,
  /// This request failed there.
  kFailed,
};

/// Whom a request goes to when not every worker can be trusted, or no group of them is complete: by
/// the policy among those that are trusted; without a pair among these, to one of them alone, which
/// then prefills and generates; then the same among those that are trusted less, at least `least`.
/// *Fails with* Unavailable, saying what is missing, when nobody is left.
Result<Choice> ChooseOrFallBack(RoutingPolicy& policy, const std::vector<WorkerView>& workers,
                                const Query& query,
                                const std::function<Trust(const WorkerView&)>& trust,
                                Trust least = Trust::kFailed);

}  // namespace baton::router
