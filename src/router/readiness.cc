#include "readiness.h"

#include <algorithm>
#include <string>

#include "routing_policy.h"

namespace baton::router {
namespace {

std::string Lacks(const std::vector<WorkerView>& workers, Role role) {
  const bool some = std::any_of(workers.begin(), workers.end(), [role](const WorkerView& worker) {
    return worker.role == role || worker.role == Role::kMixed;
  });
  return some ? "" : "no " + std::string(RoleName(role)) + " worker is ready";
}

/// Empty for one that takes requests.
std::string ProblemOf(const WorkerState& worker) {
  const rpc::WorkerStatus& status = worker.status;
  if (!worker.role) {
    return worker.problem.empty() ? "it has not said who it is" : worker.problem;
  }
  if (worker.stuck) return "stalled: it has something to do and gets nothing done";
  if (status.draining) return "draining";
  if (worker.leaves) return "draining: it is not found any more";
  if (status.changing_to) {
    return "draining: it becomes a " + std::string(RoleName(*status.changing_to)) + " worker";
  }
  if (worker.role != Role::kDecode || !status.joined_peers.empty()) return "";
  if (status.join_problems.empty()) return "joined with no prefill worker yet";
  const rpc::JoinProblem& first = status.join_problems.front();
  return "joined with no prefill worker: not with " + first.peer + ": " + first.problem;
}

}  // namespace

api::Readiness ReadinessOf(const std::vector<WorkerView>& workers, const Status& discovery) {
  const Status group = RoutingPolicy::Possible(workers);
  api::Readiness readiness{.ready = group.ok(), .reason = group.message()};
  if (!group.ok() && !discovery.ok()) readiness.reason += "; " + discovery.message();
  readiness.checks = {{"prefill", Lacks(workers, Role::kPrefill)},
                      {"decode", Lacks(workers, Role::kDecode)},
                      {"group", group.message()}};
  return readiness;
}

std::vector<api::ReadinessCheck> ChecksOf(const std::vector<WorkerState>& workers) {
  std::vector<api::ReadinessCheck> checks;
  for (const WorkerState& worker : workers) {
    checks.push_back({"worker/" + worker.name, ProblemOf(worker)});
  }
  return checks;
}

}  // namespace baton::router
