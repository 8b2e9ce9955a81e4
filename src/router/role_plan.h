#pragma once

#include <vector>

#include "baton/api/scaling.h"
#include "baton/base/role.h"
#include "baton/base/status.h"

namespace baton::router {

/// One worker takes another role.
struct RoleMove {
  Role from = Role::kMixed;
  Role to = Role::kMixed;
  bool operator==(const RoleMove&) const = default;
};

/// Workers of these roles can serve: mixed ones, or both others.
bool CanServe(const api::RoleCounts& counts);

/// Single moves that lead from `now` to `wanted`, as few as there can be, in an order in which
/// those who do not move at the time can serve, by their roles or, where no order will do, as
/// stand-ins: a decode worker or else a prefill worker that does both meanwhile. Fails with
/// InvalidArgument where there are not as many workers or the wanted ones could not serve.
Result<std::vector<RoleMove>> PlanMoves(const api::RoleCounts& now, const api::RoleCounts& wanted);

}  // namespace baton::router
