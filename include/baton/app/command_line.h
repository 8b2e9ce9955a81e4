#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "baton/app/bench_flags.h"
#include "baton/base/role.h"
#include "baton/config/load.h"

namespace baton::app {

enum class Verb : uint8_t {
  kServe,
  kRouter,
  kWorker,
  kBench,
  kDoctor,
  kKey,
  kScale,
  kKeys,
  kVersion
};

/// `baton worker`'s own flags.
struct WorkerFlags {
  Role role = Role::kMixed;
  /// Empty: the role's letter and 0, e.g. "p0".
  std::string name;
  /// "host:port"; empty: as configured.
  std::string listen;
  /// Absent: as configured, where 0 takes all cores.
  std::optional<int32_t> threads;
  /// "cpu" or "cuda:3"; empty: as configured.
  std::string device;
  /// "0-3,8"; empty: as configured.
  std::string cores;
  /// Of a worker over several nodes: which of them this is.
  int32_t node_rank = 0;
  /// Where its leader, node 0, listens for the others, and where they find it; "host:port".
  std::string nodes_listen;
  std::string leader;
};

/// `baton doctor`'s own flags.
struct DoctorFlags {
  bool json = false;
  /// "host:port" of a doctor that listens; empty: a second process of this host.
  std::string peer;
  /// Where to listen for another doctor; empty: examine this host instead.
  std::string listen;
};

/// `baton key`'s own flags.
struct KeyFlags {
  std::string name;
  /// Empty: the name.
  std::string tenant;
  int32_t requests_at_once = 0;
  int32_t requests_per_minute = 0;
  int32_t highest_priority = 0;
};

/// `baton scale`'s own flags.
struct ScaleFlags {
  /// Each "role=count".
  std::vector<std::string> counts;
  /// Where no file of the configuration is given.
  std::string url = "http://127.0.0.1:8000";
  bool dry_run = false;
  int32_t drain_s = 30;
  int32_t timeout_s = 600;
};

struct CommandLine {
  Verb verb = Verb::kVersion;
  config::Sources sources;
  bool validate_config = false;
  bool print_config = false;
  /// One, or with --role both the prefill and the decode worker.
  std::vector<WorkerFlags> workers;
  /// Where the worker answers clients itself, "host:port"; empty: nowhere.
  std::string worker_http;
  BenchFlags bench;
  DoctorFlags doctor;
  KeyFlags key;
  ScaleFlags scale;
  /// `baton router`: workers beside those configured, "name=host:port".
  std::vector<std::string> router_workers;
};

/// What to print instead of running, and the exit code: help, or what is wrong with the arguments.
struct Usage {
  std::string text;
  int exit_code = 0;
};

/// `arguments` without argv[0].
std::variant<CommandLine, Usage> ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace baton::app
