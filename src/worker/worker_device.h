#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "baton/base/dtype.h"
#include "baton/base/status.h"
#include "baton/collective/communicator.h"
#include "baton/device/memory.h"
#include "baton/device/stream.h"
#include "baton/model/model.h"
#include "baton/model/rank_runner.h"
#include "baton/ops/ops.h"

namespace baton::worker {

/// What a rank of a worker computes on; on the CPU all ranks.
struct WorkerDevice {
  /// "cpu" or "cuda:0".
  std::string name;
  const ops::Ops* ops = nullptr;
  /// Null on the CPU, where weights stay in their files, KV in memory of the host, and each rank
  /// has a stream of its own threads.
  std::unique_ptr<device::DeviceMemory> memory;
  std::unique_ptr<device::Stream> stream;
  /// What weights become there; none: they stay what they are.
  std::optional<DType> weights_dtype;
};

/// What WorkerOptions say of devices.
struct DeviceChoice {
  /// The first rank's GPU; rank r has GPU cuda + r. None: the CPU.
  std::optional<int32_t> cuda;
  int32_t ranks = 1;
  /// Those of several nodes are connected once all are there.
  int32_t nodes = 1;
  /// Of the GPUs' multiprocessors; 0: all.
  int32_t sm_percent = 0;
  /// Of the CPU; "auto": the fastest.
  std::string instructions = "auto";
  bool deterministic = true;
  bool early_launches = false;
};

/// A GPU for each rank, or the CPU for all. Fails with Unavailable where this build, driver or host
/// has no such device or instructions or cannot give a part of it, and with Unimplemented where an
/// operation lacks a kernel; each says what to do. REQUIRES: nothing of CUDA was called in this
/// process. The first rank's GPU is the calling thread's then.
Result<std::vector<WorkerDevice>> OpenWorkerDevices(const DeviceChoice& choice);

/// The two parts of one device: of a GPU a stream on the multiprocessors of each, on the CPU the
/// whole for both. Fails as OpenWorkerDevices and device::OpenSplitCudaStreams do.
Result<std::array<WorkerDevice, 2>> OpenDeviceParts(const DeviceChoice& first,
                                                    const DeviceChoice& second);

/// What these ranks sum by, by rank: NCCL where they are several GPUs, else nothing. Fails with
/// Unavailable and InvalidArgument as MakeNcclGroup does; says what to do.
Result<collective::Group> ConnectDevices(const DeviceChoice& choice,
                                         std::span<const WorkerDevice> devices);

/// Lets a GPU choose how it multiplies by the model's weights; says in the log what it will not do
/// by its vendor's library. Does nothing for the CPU. The GPU is the calling thread's then. Fails
/// with ResourceExhausted.
Status PrepareProductsAndWait(const WorkerDevice& device, const model::Model& model,
                              const model::StepLimits& limits, bool deterministic);

/// What KV gets of a GPU's memory where it gets a part: of what the weights, and what the library
/// of products took, leave free when steps and CUDA graphs have got theirs. Fails with
/// ResourceExhausted where that is nothing; says what to lower. REQUIRES: a GPU, its products
/// prepared.
Result<int64_t> KvBytesOn(const WorkerDevice& device, const model::RankRunner::Plan& plan,
                          int32_t kv_percent);

}  // namespace baton::worker
