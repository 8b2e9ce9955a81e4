#include "role_plan.h"

#include <gtest/gtest.h>

namespace baton::router {
namespace {

using api::RoleCounts;

/// Follows a plan and checks that it leads there, with somebody left at any time; whether those
/// could serve by their roles.
bool NeedsNoStandIn(const RoleCounts& now, const RoleCounts& wanted,
                    const std::vector<RoleMove>& plan) {
  RoleCounts counts = now;
  bool serve = true;
  for (const RoleMove& move : plan) {
    --counts.of(move.from);
    EXPECT_GE(counts.of(move.from), 0);
    EXPECT_GT(counts.total(), 0);
    serve &= CanServe(counts);
    ++counts.of(move.to);
  }
  EXPECT_EQ(counts, wanted);
  return serve;
}

/// Whether some order of moves of any kind avoids a gap.
bool Possible(const RoleCounts& now, const RoleCounts& wanted, int moves_left) {
  if (now == wanted) return true;
  if (moves_left == 0) return false;
  for (const Role from : {Role::kPrefill, Role::kDecode, Role::kMixed}) {
    for (const Role to : {Role::kPrefill, Role::kDecode, Role::kMixed}) {
      if (from == to || now.of(from) <= wanted.of(from) || now.of(to) >= wanted.of(to)) continue;
      RoleCounts next = now;
      --next.of(from);
      if (!CanServe(next)) continue;
      ++next.of(to);
      if (Possible(next, wanted, moves_left - 1)) return true;
    }
  }
  return false;
}

TEST(RolePlan, MovesOneWorkerAtATimeSoThatTheOthersServe) {
  EXPECT_EQ(*PlanMoves({.prefill = 2, .decode = 2}, {.prefill = 3, .decode = 1}),
            (std::vector<RoleMove>{{Role::kDecode, Role::kPrefill}}));
  EXPECT_TRUE(PlanMoves({.prefill = 1, .decode = 1}, {.prefill = 1, .decode = 1})->empty());
}

TEST(RolePlan, NeedsAStandInOnlyWhereNoOrderWillDo) {
  std::vector<RoleCounts> all;
  for (int32_t prefill = 0; prefill <= 4; ++prefill) {
    for (int32_t decode = 0; decode <= 4; ++decode) {
      for (int32_t mixed = 0; mixed <= 4; ++mixed) all.push_back({prefill, decode, mixed});
    }
  }
  for (const RoleCounts& now : all) {
    for (const RoleCounts& wanted : all) {
      if (now.total() != wanted.total() || now.total() > 6) continue;
      if (!CanServe(now) || !CanServe(wanted)) continue;
      const auto plan = PlanMoves(now, wanted);
      ASSERT_TRUE(plan.ok()) << plan.status();
      ASSERT_EQ(NeedsNoStandIn(now, wanted, *plan), Possible(now, wanted, now.total()))
          << api::DescribeCounts(now) << " to " << api::DescribeCounts(wanted);
    }
  }
}

TEST(RolePlan, RefusesAnotherNumberOfWorkersNamingBoth) {
  const auto plan = PlanMoves({.prefill = 1, .decode = 1}, {.prefill = 3, .decode = 1});
  EXPECT_EQ(plan.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(plan.status().message(),
            "there are 2 workers (1 prefill + 1 decode), but 4 are wanted (3 prefill + 1 decode): "
            "roles change here, the number of workers by workers.*.count in the configuration");
}

TEST(RolePlan, RefusesRolesThatCannotServe) {
  EXPECT_EQ(PlanMoves({.prefill = 1, .decode = 1}, {.prefill = 2}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(RolePlan, LeavesADecodeWorkerToStandInRatherThanAPrefillWorker) {
  EXPECT_EQ(*PlanMoves({.prefill = 1, .decode = 1}, {.mixed = 2}),
            (std::vector<RoleMove>{{Role::kPrefill, Role::kMixed}, {Role::kDecode, Role::kMixed}}));
  EXPECT_EQ(*PlanMoves({.mixed = 2}, {.prefill = 1, .decode = 1}),
            (std::vector<RoleMove>{{Role::kMixed, Role::kDecode}, {Role::kMixed, Role::kPrefill}}));
}

}  // namespace
}  // namespace baton::router
