#include "role_plan.h"

#include <algorithm>
#include <array>
#include <tuple>

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

/// How well those serve who do not move: by their roles, as decode workers that prefill too, or as
/// prefill workers that generate too, for which they have the least room.
int ServiceMeanwhile(api::RoleCounts counts, const RoleMove& move) {
  --counts.of(move.from);
  return CanServe(counts) ? 2 : counts.decode > 0 ? 1 : 0;
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
    // The role that has fewest first, so that what is to serve later is there early; and where the
    // last mixed worker is to go, a decode worker to stand in for it.
    const auto best =
        std::max_element(left.begin(), left.end(), [&](const RoleMove& a, const RoleMove& b) {
          const auto rank = [&](const RoleMove& move) {
            return std::tuple(ServiceMeanwhile(counts, move), -counts.of(move.to),
                              wanted.mixed == 0 && move.to == Role::kDecode);
          };
          return rank(a) < rank(b);
        });
    --counts.of(best->from);
    ++counts.of(best->to);
    plan.push_back(*best);
    left.erase(best);
  }
  return plan;
}

}  // namespace baton::router
