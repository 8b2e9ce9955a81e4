#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/dtype.h"
#include "baton/base/role.h"
#include "baton/base/status.h"
#include "baton/engine/engine.h"
#include "baton/ops/linear.h"
#include "baton/rpc/fleet_tls.h"
#include "baton/rpc/messages.h"
#include "baton/transport/path.h"

namespace baton::worker {

struct WorkerOptions {
  /// Unique among the workers, e.g. "p0"; the label `worker` of its metrics.
  std::string name;
  Role role = Role::kMixed;
  /// "host:port"; port 0 lets the system choose.
  std::string listen = "127.0.0.1:0";
  /// What it shows its peers and the router, and asks of them.
  rpc::FleetTls tls;
  std::filesystem::path model;

  /// Ranks that share the model, each on a thread of its own; of all nodes.
  int32_t tensor_parallel = 1;
  /// Processes that are this worker, each with as many of the ranks: node 0, the leader, serves;
  /// the others, the followers, compute what it tells them.
  int32_t nodes = 1;
  /// Which of them this one is.
  int32_t node_rank = 0;
  /// Where the leader listens for followers, and where followers find it: "host:port".
  std::string nodes_listen;
  std::string leader;
  int32_t ranks_per_node() const { return tensor_parallel / nodes; }
  /// The GPU of the first rank, those of the others come behind it; none: the CPU computes.
  std::optional<int32_t> cuda;
  /// Most of its GPUs' multiprocessors that it uses, in percent; 0: all.
  int32_t sm_percent = 0;
  /// Makes weights up from config.json.
  bool random_weights = false;
  /// On the CPU: how the weights of products are laid, and whether they are rounded.
  ops::Packing packing = ops::Packing::kExact;
  /// On the CPU: a name of kernels::CpuOpsFor; "auto": the fastest.
  std::string instructions = "auto";
  /// On a GPU: what a row gives does not depend on the rows beside it.
  bool deterministic = true;
  /// On a GPU: small kernels begin before those before them have ended.
  bool early_launches = false;
  /// On a GPU: decodes of up to so many sequences at once are graphs; 0: none are.
  int32_t graph_sequences = 0;

  /// Threads that compute, the engine thread included: shared by this node's ranks, at least one
  /// for each.
  int threads = 1;
  /// Cores for those threads; empty leaves them to the system.
  std::vector<int> cores;
  /// Memory for KV blocks, of all ranks.
  int64_t kv_bytes = 0;
  /// Not 0, on a GPU: in place of kv_bytes, this part of what is free once the weights are there.
  int32_t kv_percent = 0;
  int32_t block_tokens = 16;
  DType kv_dtype = DType::kBFloat16;
  /// context_tokens 0 takes the model's own.
  engine::EngineOptions engine;
  /// A decode worker prefills here when at most this many prompt tokens miss its prefix cache;
  /// -1 always asks the prefill worker.
  int32_t local_prefill_max_tokens = -1;

  /// "ucx" or "nccl".
  std::string transport_kind = "ucx";
  /// How UCX may move data, in the notation of UCX_TLS; empty takes the best that UCX finds.
  std::string transport_tls;
  /// The only paths over which KV may be handed on; empty accepts any.
  transport::RequiredPaths required_paths;
  /// Between decode's offer and prefill's next sign of progress.
  std::chrono::milliseconds lease{10000};
  /// A joined peer that says nothing for this long is taken for lost.
  std::chrono::milliseconds silence{750};
  /// CRC32C over every block of a hand-off.
  bool checksum = false;
  /// Hand-offs under way at once on one prefill worker.
  int32_t handoffs = 256;

  std::chrono::milliseconds status_interval{100};
  /// For how long the worker tries, before it is ready, what steps take; 0: not at all.
  std::chrono::milliseconds calibration{0};
  /// How long running requests may take to finish once stopped.
  std::chrono::milliseconds drain{30000};
  /// One of its threads that has work and gets nothing done for this long is stuck.
  std::chrono::milliseconds progress{60000};
  /// How often it was asked for a dump of what is under way; may be empty.
  std::function<int()> dumps;
  /// Called once the worker serves, with the address it listens on.
  std::function<void(const std::string& address)> on_ready;
};

/// Serves one role until `stop`, then drains: takes no new request, finishes the running ones
/// within `drain` and hands over to the router, in time, those that would take longer. Fails when
/// it cannot start (the message names the option) or when its device is sick. Ends the process, as
/// its threads cannot be ended, when one of them is stuck. Of a worker over several nodes this is
/// the leader, which waits for the others before it serves, and fails when one of them is lost.
Status RunWorker(const WorkerOptions& options, Clock& clock, std::stop_token stop);

/// A node of a worker but the leader (options.node_rank is not 0): computes what the leader tells
/// it until that ends. `stop` has the leader drain. Fails like RunWorker; with FailedPrecondition
/// where the leader refuses it, and with Unavailable, naming the node, when the leader is lost.
Status RunFollower(const WorkerOptions& options, Clock& clock, std::stop_token stop);

/// The same for two workers in one process, which share the weights and, on a GPU, its
/// multiprocessors by their sm_percent. Where one fails both end, the other without a drain.
/// REQUIRES: the same model and device, no tensor parallelism.
Status RunTwoWorkers(const WorkerOptions& first, const WorkerOptions& second, Clock& clock,
                     std::stop_token stop);

}  // namespace baton::worker
