#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/role.h"
#include "baton/rpc/messages.h"
#include "baton/telemetry/metrics.h"
#include "scoreboard.h"

namespace baton::router {

/// A worker, there or not.
struct WorkerState {
  /// Its address while nobody there has said who it is.
  std::string name;
  /// What it said of itself; absent while it is not there.
  std::optional<Role> role;
  rpc::WorkerStatus status;
  /// It is not found any more, and leaves once it has no requests of ours.
  bool leaves = false;
  /// It has something to do and gets nothing done.
  bool stuck = false;
  /// Requests of this router.
  int32_t load = 0;
  /// Why it is not there.
  std::string problem;
};

/// The fleet at one moment, for whoever watches it.
struct FleetState {
  TimePoint at{};
  std::vector<WorkerState> workers;
  /// Why workers cannot be looked for; empty when they can.
  std::string discovery_problem = {};
  std::vector<Flow> flows;
  RecentTimes::Figures ttft;
  RecentTimes::Figures tpot;
  /// The router chooses the roles, and why it did so last; empty before it did.
  bool auto_ratio = false;
  std::string ratio_decision;
};

/// As /fleet shows it; openapi.json describes the fields. `router` has the router's own metrics.
std::string FleetJson(const FleetState& fleet, const telemetry::MetricsSnapshot& router);

}  // namespace baton::router
