#pragma once

#include <memory>
#include <span>
#include <vector>

#include "baton/device/joined_memory.h"
#include "baton/model/model.h"
#include "baton/model/step_runner.h"
#include "baton/worker/worker.h"
#include "ranks.h"
#include "worker_device.h"

namespace baton::worker {

/// By rank, those of one node.
using Devices = std::vector<WorkerDevice>;
using Shards = std::vector<std::shared_ptr<model::Model>>;

/// This thread, and those that it starts. Fails with InvalidArgument.
Status PinToCores(const std::vector<int>& cores);

DeviceChoice ChoiceOf(const WorkerOptions& options);

/// Those of this node's ranks, on their devices: of the CPU one for all.
Result<Shards> LoadShards(const WorkerOptions& options, std::span<const WorkerDevice> devices,
                          Clock& clock);

/// Memory for the KV blocks of all ranks, of all nodes, as this one can have it. All ranks have
/// equally many, so the GPU with the least memory rules.
Result<int64_t> KvBytes(const WorkerOptions& options, const Devices& devices, const Shards& shards,
                        const model::StepLimits& limits);

/// What a node's GPUs are to the rest of it; nothing on the CPU.
struct NodeGpus {
  std::vector<Ranks::Gpu> gpus;
  /// Of all of them.
  std::unique_ptr<device::JoinedMemory> memory;
};

/// Lets the GPUs choose how they multiply. The first is the calling thread's then. Fails with
/// ResourceExhausted.
Result<NodeGpus> PrepareGpusAndWait(const WorkerOptions& options, const Devices& devices,
                                    const Shards& shards, const model::StepLimits& limits);

/// What makes the group of a worker's nodes one, made by the leader: of GPUs NCCL's ids, else
/// nothing. Fails as ConnectDevices does.
Result<std::string> MakeGroupIds(const WorkerOptions& options);

/// This node's part of the group of all ranks, over `sums` (collective::NodeGroupParts::links) or,
/// of GPUs, by NCCL, which waits for the others.
Result<collective::Group> ConnectNodes(const WorkerOptions& options, const Devices& devices,
                                       std::vector<std::shared_ptr<nodes::Link>> sums,
                                       const std::string& ids);

}  // namespace baton::worker
