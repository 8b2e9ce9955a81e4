#include "fallback.h"

#include <optional>

namespace baton::router {
namespace {

/// The least loaded that can generate alone: a decode worker rather than one that prefills for
/// others.
std::optional<Choice> Alone(const std::vector<WorkerView>& workers) {
  const WorkerView* best = nullptr;
  const auto better = [](const WorkerView& a, const WorkerView& b) {
    const bool decodes = a.role != Role::kPrefill;
    if (decodes != (b.role != Role::kPrefill)) return decodes;
    return a.load < b.load;
  };
  for (const WorkerView& worker : workers) {
    if (best == nullptr || better(worker, *best)) best = &worker;
  }
  if (best == nullptr) return std::nullopt;
  return Choice{.worker = best->name,
                .reason = best->role == Role::kPrefill ? "no_decode" : "no_prefill",
                .fallback = true};
}

}  // namespace

Result<Choice> ChooseOrFallBack(RoutingPolicy& policy, const std::vector<WorkerView>& workers,
                                const Query& query,
                                const std::function<Trust(const WorkerView&)>& trust, Trust least) {
  for (const Trust floor : {Trust::kFull, Trust::kBroken, Trust::kFailed}) {
    if (floor > least) break;
    std::vector<WorkerView> trusted;
    for (const WorkerView& worker : workers) {
      if (trust(worker) <= floor) trusted.push_back(worker);
    }
    auto choice = policy.Choose(trusted, query);
    if (choice.ok()) return choice;
    if (auto alone = Alone(trusted)) return *std::move(alone);
  }
  return RoutingPolicy::Possible(workers).ok() ? Status(Unavailable("every worker has been tried"))
                                               : RoutingPolicy::Possible(workers);
}

}  // namespace baton::router
