#include "prefill_pick.h"

#include <algorithm>

#include "baton/base/endpoint.h"

namespace baton::router {
namespace {

/// Those that generate but for `own`, where that one can.
void LeaveOthersOut(const std::string& own, std::vector<WorkerView>& workers) {
  const auto generates = [](const WorkerView& worker) { return worker.role != Role::kPrefill; };
  const bool there = std::ranges::any_of(
      workers, [&](const WorkerView& worker) { return worker.name == own && generates(worker); });
  if (!there) return;
  std::erase_if(workers,
                [&](const WorkerView& worker) { return worker.name != own && generates(worker); });
}

}  // namespace

std::string_view PickOutcomeName(PickOutcome outcome) {
  switch (outcome) {
    case PickOutcome::kFollowed: return "followed";
    case PickOutcome::kUntrusted: return "untrusted";
    case PickOutcome::kMalformed: return "malformed";
    case PickOutcome::kUnknown: return "unknown";
    case PickOutcome::kOtherRole: return "other_role";
    case PickOutcome::kFailing: return "failing";
    case PickOutcome::kNotJoined: return "not_joined";
  }
  return "unknown";
}

PickedWorker FindPicked(std::string_view endpoint, const std::vector<WorkerView>& workers) {
  const auto picked = ParseEndpoint(endpoint);
  if (!picked || picked->host.empty() || picked->port == 0) {
    return {.outcome = PickOutcome::kMalformed};
  }
  std::vector<const WorkerView*> at_host;
  for (const WorkerView& worker : workers) {
    const auto at = ParseEndpoint(worker.address);
    if (!at || at->host != picked->host) continue;
    at_host.push_back(&worker);
    if (at->port != picked->port) continue;
    at_host = {&worker};
    break;
  }
  if (at_host.size() != 1) return {.outcome = PickOutcome::kUnknown};
  const WorkerView* const found = at_host.front();
  if (found->role != Role::kPrefill) return {.outcome = PickOutcome::kOtherRole};
  return {.worker = found};
}

PlacedChoice ChoosePlaced(RoutingPolicy& policy, const std::vector<WorkerView>& workers,
                          const Query& query, const PrefillPick& pick, const std::string& own,
                          const std::function<bool(const WorkerView&)>& healthy) {
  PlacedChoice placed;
  std::vector<WorkerView> mine = workers;
  std::erase_if(mine, [&](const WorkerView& worker) { return !healthy(worker); });
  LeaveOthersOut(own, mine);
  if (!pick.endpoint.empty()) {
    const PickedWorker picked = pick.trusted ? FindPicked(pick.endpoint, workers)
                                             : PickedWorker{.outcome = PickOutcome::kUntrusted};
    placed.pick = picked.outcome;
    if (picked.worker != nullptr && !healthy(*picked.worker)) {
      placed.pick = PickOutcome::kFailing;
    } else if (picked.worker != nullptr) {
      auto choice = policy.ChoosePairOf(*picked.worker, mine, query);
      if (choice.ok()) placed.choice = *std::move(choice);
      if (!choice.ok()) placed.pick = PickOutcome::kNotJoined;
    }
  }
  if (!placed.choice && !own.empty()) {
    auto choice = policy.Choose(mine, query);
    if (choice.ok()) placed.choice = *std::move(choice);
  }
  return placed;
}

}  // namespace baton::router
