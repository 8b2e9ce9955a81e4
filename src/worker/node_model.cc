#include "node_model.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include <sched.h>

#include "baton/base/logging.h"
#include "load_log.h"

namespace baton::worker {
namespace {

bool OnGpus(std::span<const WorkerDevice> devices) { return devices.front().memory != nullptr; }

}  // namespace

Status PinToCores(const std::vector<int>& cores) {
  if (cores.empty()) return OkStatus();
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    if (core < 0 || core >= CPU_SETSIZE) {
      return InvalidArgument("no core " + std::to_string(core) + " on this host");
    }
    CPU_SET(static_cast<size_t>(core), &set);
  }
  if (sched_setaffinity(0, sizeof set, &set) == 0) return OkStatus();
  return InvalidArgument("cannot pin to the cores asked for; are they all on this host?");
}

DeviceChoice ChoiceOf(const WorkerOptions& options) {
  return {.cuda = options.cuda,
          .ranks = options.ranks_per_node(),
          .nodes = options.nodes,
          .sm_percent = options.sm_percent,
          .instructions = options.instructions,
          .deterministic = options.deterministic,
          .early_launches = options.early_launches};
}

Result<Shards> LoadShards(const WorkerOptions& options, std::span<const WorkerDevice> devices,
                          Clock& clock) {
  Shards shards;
  for (int32_t here = 0; here < options.ranks_per_node(); ++here) {
    const WorkerDevice& device = devices[OnGpus(devices) ? static_cast<size_t>(here) : 0];
    LoadLog log(device.name, clock);
    const auto tell = [&log](int64_t done, int64_t total) {
      const std::string text = log.LineAt(done, total);
      if (text.empty()) return;
      BATON_LOG(Info) << text;
    };
    BATON_ASSIGN_OR_RETURN(
        std::unique_ptr<model::Model> shard,
        model::Model::Load(options.model,
                           {.context_tokens = options.engine.context_tokens,
                            .memory = device.memory.get(),
                            .ops = device.ops,
                            .threads = ThreadsOf(options),
                            .packing = options.packing,
                            .weights_dtype = device.weights_dtype,
                            .random_weights = options.random_weights,
                            .on_progress = tell,
                            .rank = options.node_rank * options.ranks_per_node() + here,
                            .ranks = options.tensor_parallel}));
    shards.push_back(std::move(shard));
  }
  return shards;
}

Result<int64_t> KvBytes(const WorkerOptions& options, const Devices& devices, const Shards& shards,
                        const model::StepLimits& limits) {
  if (options.kv_percent == 0 || !OnGpus(devices)) return options.kv_bytes;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (size_t rank = 0; rank < devices.size(); ++rank) {
    BATON_ASSIGN_OR_RETURN(const int64_t bytes,
                           KvBytesOn(devices[rank],
                                     {.model = *shards[rank],
                                      .ops = *devices[rank].ops,
                                      .limits = limits,
                                      .block_tokens = options.block_tokens,
                                      .replayed_rows = options.graph_sequences},
                                     options.kv_percent));
    least = std::min(least, bytes);
  }
  return least * options.tensor_parallel;
}

Result<NodeGpus> PrepareGpusAndWait(const WorkerOptions& options, const Devices& devices,
                                    const Shards& shards, const model::StepLimits& limits) {
  NodeGpus prepared;
  if (!OnGpus(devices)) return prepared;
  std::vector<device::DeviceMemory*> memories;
  for (size_t rank = 0; rank < devices.size(); ++rank) {
    const WorkerDevice& device = devices[rank];
    BATON_RETURN_IF_ERROR(
        PrepareProductsAndWait(device, *shards[rank], limits, options.deterministic));
    prepared.gpus.push_back({.memory = *device.memory, .stream = *device.stream});
    memories.push_back(device.memory.get());
  }
  devices.front().memory->MakeCurrent();
  prepared.memory = std::make_unique<device::JoinedMemory>(memories);
  return prepared;
}

Result<std::string> MakeGroupIds(const WorkerOptions& options) {
  if (!options.cuda || options.nodes == 1) return std::string();
  return collective::MakeNcclIds(options.tensor_parallel, options.deterministic);
}

Result<collective::Group> ConnectNodes(const WorkerOptions& options, const Devices& devices,
                                       std::vector<std::shared_ptr<nodes::Link>> sums,
                                       const std::string& ids) {
  if (!OnGpus(devices)) {
    return collective::MakeNodeGroup({.node = options.node_rank,
                                      .nodes = options.nodes,
                                      .ranks_per_node = options.ranks_per_node(),
                                      .links = std::move(sums)});
  }
  collective::NcclNodeParts parts{.here = {.deterministic = options.deterministic},
                                  .first_rank = options.node_rank * options.ranks_per_node(),
                                  .ranks = options.tensor_parallel,
                                  .ids = ids};
  for (const WorkerDevice& device : devices) parts.here.memories.push_back(device.memory.get());
  return collective::MakeNcclNodeGroup(parts);
}

}  // namespace baton::worker
