#include "role_plan.h"

#include <algorithm>
#include <array>

namespace baton::router {
namespace {

constexpr std::array kRoles{Role::kPrefill, Role::kDecode, Role::kMixed};

/// The moves of a plan without their order: from the roles of which there are too many to those of
/// which there are too few.
std::vector<RoleMove> Difference(const api::RoleCounts& now, const api::RoleCounts& wanted) {
  std::vector<RoleMove> moves;
  api::RoleCounts counts = now;
  for (const Role from : kRoles) {
    for (const Role to : kRoles) {
      while (counts.of(from) > wanted.of(from) && counts.of(to) < wanted.of(to)) {
        --counts.of(from);
        ++counts.of(to);
        moves.push_back({from, to});
      }
    }
  }
  return moves;
}

bool ServesMeanwhile(api::RoleCounts counts, const RoleMove& move) {
  --counts.of(move.from);
  return CanServe(counts);
}

}  // namespace

bool CanServe(const api::RoleCounts& counts) {
  return counts.mixed > 0 || (counts.prefill > 0 && counts.decode > 0);
}

Result<std::vector<RoleMove>> PlanMoves(const api::RoleCounts& now, const api::RoleCounts& wanted) {
  if (wanted.total() != now.total()) {
    return InvalidArgument(
        "there are " + std::to_string(now.total()) + " workers (" + api::DescribeCounts(now) +
        "), but " + std::to_string(wanted.total()) + " are wanted (" + api::DescribeCounts(wanted) +
        "): roles change here, the number of workers by workers.*.count in the configuration");
  }
  if (!CanServe(wanted)) {
    return InvalidArgument(api::DescribeCounts(wanted) +
                           " could not serve: it takes a mixed worker, or a prefill and a decode "
                           "worker");
  }
  std::vector<RoleMove> left = Difference(now, wanted);
  std::vector<RoleMove> plan;
  api::RoleCounts counts = now;
  while (!left.empty()) {
    // The role that has fewest first, so that what is to serve later is there early.
    auto best = left.end();
    for (auto move = left.begin(); move != left.end(); ++move) {
      if (!ServesMeanwhile(counts, *move)) continue;
      if (best == left.end() || counts.of(move->to) < counts.of(best->to)) best = move;
    }
    if (best == left.end()) {
      return FailedPrecondition("of " + api::DescribeCounts(counts) +
                                " none can be spared while it changes its role; with one worker "
                                "more it could be done without a gap");
    }
    --counts.of(best->from);
    ++counts.of(best->to);
    plan.push_back(*best);
    left.erase(best);
  }
  return plan;
}

}  // namespace baton::router
