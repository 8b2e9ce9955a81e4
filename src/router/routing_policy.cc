#include "routing_policy.h"

#include <algorithm>
#include <functional>

namespace baton::router {
namespace {

using Candidates = std::vector<const WorkerView*>;

/// Requests that a session's worker may have beyond twice those of the idlest.
constexpr int32_t kSessionSlack = 4;

/// Takes turns by name, so that the order in which workers come and go does not matter.
class RoundRobin final : public RoutingPolicy {
  const WorkerView& Pick(const Candidates& candidates) override {
    std::string& last = candidates.front()->role == Role::kPrefill ? last_prefill_ : last_worker_;
    const WorkerView* next = nullptr;
    const WorkerView* first = candidates.front();
    for (const WorkerView* candidate : candidates) {
      if (candidate->name < first->name) first = candidate;
      if (candidate->name > last && (next == nullptr || candidate->name < next->name)) {
        next = candidate;
      }
    }
    const WorkerView& pick = next == nullptr ? *first : *next;
    last = pick.name;
    return pick;
  }

  std::string last_prefill_;
  std::string last_worker_;
};

/// The fewest requests under way; among equals, takes turns.
class LeastLoaded final : public RoutingPolicy {
  const WorkerView& Pick(const Candidates& candidates) override {
    const auto less = [](const WorkerView* a, const WorkerView* b) { return a->load < b->load; };
    const int32_t least = (*std::min_element(candidates.begin(), candidates.end(), less))->load;
    Candidates idlest;
    std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(idlest),
                 [least](const WorkerView* worker) { return worker->load == least; });
    // A turn for each phase: with one for both, two of each would always meet in the same pair.
    size_t& turn = idlest.front()->role == Role::kPrefill ? prefill_turn_ : worker_turn_;
    return *idlest[turn++ % idlest.size()];
  }

  size_t prefill_turn_ = 0;
  size_t worker_turn_ = 0;
};

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The prefill workers that can hand over to `decode`.
Candidates JoinedWith(const WorkerView& decode, const std::vector<WorkerView>& workers) {
  Candidates joined;
  for (const WorkerView& worker : workers) {
    if (worker.role == Role::kPrefill && Contains(decode.joined_peers, worker.name)) {
      joined.push_back(&worker);
    }
  }
  return joined;
}

/// The workers that can generate: mixed ones, and decode workers with a prefill worker.
Candidates CompleteGroups(const std::vector<WorkerView>& workers) {
  Candidates complete;
  for (const WorkerView& worker : workers) {
    const bool split = worker.role == Role::kDecode && !JoinedWith(worker, workers).empty();
    if (worker.role == Role::kMixed || split) complete.push_back(&worker);
  }
  return complete;
}

/// Why there is no complete group. REQUIRES: there is none.
Status WhatIsMissing(const std::vector<WorkerView>& workers) {
  const auto none = [&](Role role) {
    return std::none_of(workers.begin(), workers.end(),
                        [role](const WorkerView& worker) { return worker.role == role; });
  };
  if (workers.empty()) return Unavailable("no worker is ready");
  if (none(Role::kPrefill)) return Unavailable("no prefill worker is ready");
  if (none(Role::kDecode)) return Unavailable("no decode worker is ready");
  for (const WorkerView& worker : workers) {
    if (worker.join_problems.empty()) continue;
    const rpc::JoinProblem& first = worker.join_problems.front();
    return Unavailable("no decode worker is joined with a prefill worker: " + worker.name +
                       " is not with " + first.peer + ": " + first.problem);
  }
  return Unavailable("no decode worker is joined with a prefill worker yet");
}

}  // namespace

Status RoutingPolicy::Possible(const std::vector<WorkerView>& workers) {
  return CompleteGroups(workers).empty() ? WhatIsMissing(workers) : OkStatus();
}

/// Rendezvous hashing among those that are not overloaded: every router picks the same worker, and
/// a worker that comes or goes moves only its own sessions.
const WorkerView& RoutingPolicy::Pick(const Candidates& candidates, const std::string& session) {
  if (session.empty()) return Pick(candidates);
  const auto by_load = [](const WorkerView* a, const WorkerView* b) { return a->load < b->load; };
  const int32_t least = (*std::min_element(candidates.begin(), candidates.end(), by_load))->load;
  const WorkerView* pick = nullptr;
  size_t highest = 0;
  for (const WorkerView* candidate : candidates) {
    if (candidate->load > 2 * least + kSessionSlack) continue;
    const size_t weight = std::hash<std::string>{}(session + '\0' + candidate->name);
    if (pick == nullptr || weight > highest) {
      pick = candidate;
      highest = weight;
    }
  }
  return *pick;
}

Result<Choice> RoutingPolicy::Choose(const std::vector<WorkerView>& workers,
                                     const std::string& session) {
  const Candidates complete = CompleteGroups(workers);
  if (complete.empty()) return WhatIsMissing(workers);
  const WorkerView& worker = Pick(complete, session);
  if (worker.role == Role::kMixed) return Choice{.worker = worker.name};
  return Choice{.worker = worker.name, .prefill = Pick(JoinedWith(worker, workers), session).name};
}

Result<std::unique_ptr<RoutingPolicy>> RoutingPolicy::Make(const std::string& name) {
  if (name == "round_robin") return std::unique_ptr<RoutingPolicy>(new RoundRobin);
  if (name == "least_loaded") return std::unique_ptr<RoutingPolicy>(new LeastLoaded);
  return InvalidArgument("unknown routing policy '" + name +
                         "'; known are least_loaded, round_robin");
}

}  // namespace baton::router
