#pragma once

#include <string>
#include <vector>

#include "baton/app/port_reservation.h"
#include "baton/app/supervisor.h"
#include "baton/base/role.h"
#include "baton/base/status.h"
#include "baton/config/load.h"

namespace baton::app {

/// A process of a worker over several nodes but its leader.
struct PlannedNode {
  std::string name;
  int32_t node_rank = 1;
  /// "cpu" or "cuda:3".
  std::string device = "cpu";
  std::vector<int32_t> cores;
  /// "host:port" where its health is asked for.
  std::string listen;
};

/// A worker that `baton serve` starts.
struct PlannedWorker {
  std::string name;
  Role role = Role::kMixed;
  /// Of each of its nodes.
  int32_t threads = 1;
  /// Tensor-parallel ones, which share the threads.
  int32_t ranks = 1;
  /// "cpu" or "cuda:3".
  std::string device = "cpu";
  std::vector<int32_t> cores;
  /// "host:port" on which it listens.
  std::string listen;
  /// "host:port" at which the router reaches it.
  std::string address;
  /// "host:port" on which it listens for its other nodes; empty: there are none.
  std::string nodes_listen;
  std::vector<PlannedNode> followers;
};

/// All processes of a deployment on this host, and the ports kept for them.
struct Deployment {
  std::vector<PlannedWorker> workers;
  std::vector<PortReservation> ports;
  /// The prefill and the decode worker are one process.
  bool one_process = false;
};

/// Gives every worker a name, threads, cores and an address that stays the same when it is
/// restarted. Fails with InvalidArgument when a name is taken by a worker started elsewhere.
Result<Deployment> PlanDeployment(const config::Config& config, int32_t available_cores);

/// The command lines of the router and the workers; `sources` are those that serve itself got.
std::vector<ProcessSpec> ProcessesOf(const Deployment& deployment, const config::Sources& sources);

/// "1 prefill + 2 decode of 4 ranks".
std::string DescribeGroups(const config::Workers& workers);

}  // namespace baton::app
