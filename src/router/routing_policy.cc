#include "routing_policy.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "cost_choice.h"

namespace baton::router {
namespace {

using Candidates = Picker::Candidates;

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The prefill workers that can hand over to `decode`. One that was started anew with another model
/// still has its name, by which `decode` was joined with the one before.
Candidates JoinedWith(const WorkerView& decode, const std::vector<WorkerView>& workers) {
  Candidates joined;
  for (const WorkerView& worker : workers) {
    if (worker.role == Role::kPrefill && worker.fingerprint == decode.fingerprint &&
        Contains(decode.joined_peers, worker.name)) {
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

/// Those that are not full, unless all are.
Candidates WithRoom(const Candidates& candidates) {
  Candidates rest;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(rest),
               [](const WorkerView* worker) { return !worker->full; });
  return rest.empty() ? candidates : rest;
}

/// Rendezvous hashing among those that are not overloaded: every router picks the same worker, and
/// a worker that comes or goes moves only its own sessions. Null without a session.
const WorkerView* HomeOf(const std::string& session, const Candidates& candidates) {
  if (session.empty()) return nullptr;
  const WorkerView* pick = nullptr;
  size_t highest = 0;
  for (const WorkerView* candidate : Picker::NotOverloaded(candidates)) {
    const size_t weight = std::hash<std::string>{}(session + '\0' + candidate->name);
    if (pick == nullptr || weight > highest) {
      pick = candidate;
      highest = weight;
    }
  }
  return pick;
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

const WorkerView& RoutingPolicy::Pick(Picker& picker, const Candidates& candidates,
                                      const std::string& session) {
  const WorkerView* home = HomeOf(session, candidates);
  return home != nullptr ? *home : picker.Pick(candidates);
}

Choice RoutingPolicy::Split(const Candidates& complete, const std::vector<WorkerView>& workers,
                            const Query& query) {
  const WorkerView& worker = Pick(*picker_, complete, query.session);
  if (worker.role == Role::kMixed) return Choice{.worker = worker.name};
  return Choice{.worker = worker.name,
                .prefill = Pick(*prefill_picker_, JoinedWith(worker, workers), query.session).name};
}

Result<Choice> RoutingPolicy::Choose(const std::vector<WorkerView>& workers, const Query& query) {
  const Candidates complete = WithRoom(CompleteGroups(workers));
  if (complete.empty()) return WhatIsMissing(workers);
  if (!weighs_ && !weighs_prefill_) return Split(complete, workers, query);
  std::vector<Group> groups;
  const Candidates generate =
      weighs_ ? complete : Candidates{&Pick(*picker_, complete, query.session)};
  // Another one first each time: that one wins among equals.
  const size_t turn = turn_++;
  for (size_t i = 0; i < generate.size(); ++i) {
    const WorkerView& worker = *generate[(i + turn) % generate.size()];
    Group group{.worker = &worker};
    if (worker.role == Role::kDecode) group.prefills = JoinedWith(worker, workers);
    if (!weighs_prefill_ && !group.prefills.empty()) {
      group.prefills = {&Pick(*prefill_picker_, group.prefills, query.session)};
    }
    groups.push_back(std::move(group));
  }
  auto choice = ChooseByCost(groups, query, HomeOf(query.session, complete));
  return choice ? *std::move(choice) : Split(complete, workers, query);
}

Result<Choice> RoutingPolicy::ChoosePairOf(const WorkerView& prefill,
                                           const std::vector<WorkerView>& workers,
                                           const Query& query) {
  const std::vector<WorkerView> only = {prefill};
  Candidates joined;
  for (const WorkerView& worker : workers) {
    if (worker.role == Role::kDecode && !JoinedWith(worker, only).empty()) {
      joined.push_back(&worker);
    }
  }
  if (joined.empty()) return Unavailable("nobody who generates is joined with " + prefill.name);
  return Choice{.worker = Pick(*picker_, WithRoom(joined), query.session).name,
                .prefill = prefill.name,
                .reason = "picked"};
}

Result<std::unique_ptr<RoutingPolicy>> RoutingPolicy::Make(const std::string& name,
                                                           const std::string& prefill) {
  const std::string& other = prefill.empty() ? name : prefill;
  auto policy = std::make_unique<RoutingPolicy>();
  policy->weighs_ = name == "cost";
  policy->weighs_prefill_ = other == "cost";
  policy->picker_ = Picker::Make(policy->weighs_ ? "least_loaded" : name);
  policy->prefill_picker_ = Picker::Make(policy->weighs_prefill_ ? "least_loaded" : other);
  if (policy->picker_ != nullptr && policy->prefill_picker_ != nullptr) return policy;
  return InvalidArgument(
      "unknown routing policy '" + (policy->picker_ == nullptr ? name : other) +
      "'; known are cost, least_loaded, power_of_two, prefix_aware, round_robin");
}

}  // namespace baton::router
