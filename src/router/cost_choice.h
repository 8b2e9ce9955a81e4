#pragma once

#include <optional>
#include <vector>

#include "routing_policy.h"

namespace baton::router {

/// A decode or mixed worker and those that may prefill for it.
struct Group {
  const WorkerView* worker = nullptr;
  std::vector<const WorkerView*> prefills;
};

/// The choice that costs the least time: of the request's own from its start to its end, and of the
/// sequences that its prefill would delay. A prompt is prefilled by a peer when
///
///   queue(P) + prefill(P) + transfer(P, D) < queue(D) + prefill(D) + delay(D) x sequences there
///
/// where what exceeds an SLO weighs many times, for those who decode too. Where no decode worker
/// has room for it, or none holds its SLO, a prefill worker may generate as well. Among equals the
/// first of `groups` wins, and the one at `home`, if any, over those that are not more than a fifth
/// better. Nothing when too little is known of any worker involved. O(groups x prefills) at worst;
/// mostly each group looks at one or two, as they are ordered by when they are free.
std::optional<Choice> ChooseByCost(const std::vector<Group>& groups, const Query& query,
                                   const WorkerView* home);

}  // namespace baton::router
