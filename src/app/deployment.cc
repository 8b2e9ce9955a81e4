#include "baton/app/deployment.h"

#include <algorithm>
#include <array>
#include <optional>

#include "baton/app/cores.h"

namespace baton::app {
namespace {

constexpr std::array kRoles{Role::kPrefill, Role::kDecode, Role::kMixed};

/// A worker that listens on any address is reached on this host's own.
std::string DialHost(const std::string& host) {
  if (host == "0.0.0.0") return "127.0.0.1";
  if (host == "::" || host == "[::]") return "[::1]";
  return host;
}

std::string Join(const std::string& host, int32_t port) {
  const bool bare_v6 = host.find(':') != std::string::npos && host.front() != '[';
  return (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Status CheckNames(const config::Config& config, const std::vector<PlannedWorker>& workers) {
  for (const std::string& text : config.router.workers) {
    BATON_ASSIGN_OR_RETURN(const config::WorkerAddress other, config::ParseWorkerAddress(text));
    if (std::ranges::find(workers, other.name, &PlannedWorker::name) == workers.end()) continue;
    return InvalidArgument("router.workers names '" + other.name +
                           "', which is also the name of a worker that is started here");
  }
  return OkStatus();
}

/// Which of a group's workers, whose nodes are planned.
struct NodesOf {
  const config::Config& config;
  const config::WorkerGroup& group;
  const std::vector<int32_t>& cores;
  std::optional<int32_t> first_device;
  int32_t worker = 0;
};

/// Its other nodes run on this host too.
Status PlanNodes(const NodesOf& of, PlannedWorker& worker, Deployment& deployment) {
  const std::string& host = of.config.workers.host;
  const auto listen = [&]() -> Result<std::string> {
    BATON_ASSIGN_OR_RETURN(PortReservation kept, PortReservation::Take(host));
    const int32_t port = kept.port();
    deployment.ports.push_back(std::move(kept));
    return Join(host, port);
  };
  if (of.group.nodes == 1) return OkStatus();
  BATON_ASSIGN_OR_RETURN(worker.nodes_listen, listen());
  for (int32_t node = 1; node < of.group.nodes; ++node) {
    PlannedNode follower{.name = worker.name + "." + std::to_string(node), .node_rank = node};
    if (!of.cores.empty()) {
      follower.cores = CoresOfWorker(of.cores, of.worker * of.group.nodes + node,
                                     of.group.count * of.group.nodes);
    }
    if (of.first_device) {
      const int32_t ranks_before =
          of.worker * of.group.tensor_parallel + node * (of.group.tensor_parallel / of.group.nodes);
      follower.device = "cuda:" + std::to_string(*of.first_device + ranks_before);
    }
    BATON_ASSIGN_OR_RETURN(follower.listen, listen());
    worker.followers.push_back(std::move(follower));
  }
  return OkStatus();
}

}  // namespace

Result<Deployment> PlanDeployment(const config::Config& config, int32_t available_cores) {
  Deployment deployment;
  deployment.one_process = config.workers.one_process;
  const int32_t equal_threads = ThreadsPerWorker(available_cores, config.workers.total());
  for (const Role role : kRoles) {
    const config::WorkerGroup& group = config.workers.group(role);
    BATON_ASSIGN_OR_RETURN(const std::vector<int32_t> cores, config::ParseCores(group.cores));
    BATON_ASSIGN_OR_RETURN(const auto first_device, config::ParseDevice(group.device));
    for (int32_t i = 0; i < group.count; ++i) {
      PlannedWorker worker{.name = std::string(RoleName(role).substr(0, 1)) + std::to_string(i),
                           .role = role};
      if (!cores.empty()) {
        worker.cores = CoresOfWorker(cores, i * group.nodes, group.count * group.nodes);
      }
      const auto pinned = static_cast<int32_t>(worker.cores.size());
      worker.ranks = group.tensor_parallel;
      worker.threads = group.threads > 0 ? group.threads
                       : pinned > 0      ? pinned
                                         : equal_threads / group.nodes;
      worker.threads = std::max(worker.threads, worker.ranks / group.nodes);
      if (first_device) {
        worker.device = "cuda:" + std::to_string(*first_device + i * group.tensor_parallel);
      }
      int32_t port = group.port + i;
      if (group.port == 0) {
        BATON_ASSIGN_OR_RETURN(PortReservation kept, PortReservation::Take(config.workers.host));
        port = kept.port();
        deployment.ports.push_back(std::move(kept));
      }
      worker.listen = Join(config.workers.host, port);
      worker.address = Join(DialHost(config.workers.host), port);
      BATON_RETURN_IF_ERROR(PlanNodes({.config = config,
                                       .group = group,
                                       .cores = cores,
                                       .first_device = first_device,
                                       .worker = i},
                                      worker, deployment));
      deployment.workers.push_back(std::move(worker));
    }
  }
  BATON_RETURN_IF_ERROR(CheckNames(config, deployment.workers));
  return deployment;
}

namespace {

ProcessSpec LeaderOf(const PlannedWorker& worker) {
  ProcessSpec process{
      worker.name,
      {"baton", "worker", "--role", std::string(RoleName(worker.role)), "--name", worker.name,
       "--listen", worker.listen, "--threads", std::to_string(worker.threads)},
      1};
  auto& arguments = process.arguments;
  if (worker.device != "cpu") arguments.insert(arguments.end(), {"--device", worker.device});
  if (!worker.cores.empty()) {
    arguments.insert(arguments.end(), {"--cores", FormatCores(worker.cores)});
  }
  if (!worker.followers.empty()) {
    arguments.insert(arguments.end(), {"--nodes-listen", worker.nodes_listen});
  }
  return process;
}

ProcessSpec FollowerOf(const PlannedWorker& worker, const PlannedNode& node) {
  ProcessSpec process{
      node.name,
      {"baton", "worker", "--role", std::string(RoleName(worker.role)), "--name", node.name,
       "--listen", node.listen, "--threads", std::to_string(worker.threads), "--node-rank",
       std::to_string(node.node_rank), "--leader", worker.nodes_listen},
      1};
  auto& arguments = process.arguments;
  if (node.device != "cpu") arguments.insert(arguments.end(), {"--device", node.device});
  if (!node.cores.empty()) {
    arguments.insert(arguments.end(), {"--cores", FormatCores(node.cores)});
  }
  return process;
}

/// Device and cores are those of its group, which has no other worker.
ProcessSpec BothIn(const PlannedWorker& prefill, const PlannedWorker& decode) {
  ProcessSpec process{prefill.name + "+" + decode.name, {"baton", "worker", "--role", "both"}, 1};
  for (const PlannedWorker* worker : {&prefill, &decode}) {
    process.arguments.insert(process.arguments.end(),
                             {"--name", worker->name, "--listen", worker->listen, "--threads",
                              std::to_string(worker->threads)});
  }
  return process;
}

}  // namespace

std::vector<ProcessSpec> ProcessesOf(const Deployment& deployment, const config::Sources& sources) {
  std::vector<std::string> common;
  if (!sources.file.empty()) common = {"--config", sources.file};
  for (const config::Override& override : sources.command_line) {
    common.insert(common.end(), {"--set", override.path + "=" + override.value});
  }
  ProcessSpec router{"router", {"baton", "router"}, 0};
  std::vector<ProcessSpec> processes;
  for (const PlannedWorker& worker : deployment.workers) {
    router.arguments.insert(router.arguments.end(),
                            {"--worker", worker.name + "=" + worker.address});
    if (deployment.one_process && worker.role == Role::kPrefill) {
      const auto decode =
          std::ranges::find(deployment.workers, Role::kDecode, &PlannedWorker::role);
      processes.push_back(BothIn(worker, *decode));
      auto& arguments = processes.back().arguments;
      arguments.insert(arguments.end(), common.begin(), common.end());
      continue;
    }
    if (deployment.one_process && worker.role == Role::kDecode) continue;
    processes.push_back(LeaderOf(worker));
    for (const PlannedNode& node : worker.followers) processes.push_back(FollowerOf(worker, node));
    for (size_t i = processes.size() - worker.followers.size() - 1; i < processes.size(); ++i) {
      auto& arguments = processes[i].arguments;
      arguments.insert(arguments.end(), common.begin(), common.end());
    }
  }
  router.arguments.insert(router.arguments.end(), common.begin(), common.end());
  processes.insert(processes.begin(), std::move(router));
  return processes;
}

std::string DescribeGroups(const config::Workers& workers) {
  std::string text;
  for (const Role role : kRoles) {
    const config::WorkerGroup& group = workers.group(role);
    if (group.count == 0) continue;
    text += text.empty() ? "" : " + ";
    text += std::to_string(group.count) + " " + std::string(RoleName(role));
    if (group.tensor_parallel > 1)
      text += " of " + std::to_string(group.tensor_parallel) + " ranks";
    if (group.nodes > 1) text += " on " + std::to_string(group.nodes) + " nodes";
  }
  return text;
}

}  // namespace baton::app
