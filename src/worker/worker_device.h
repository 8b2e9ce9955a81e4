#pragma once

#include <memory>
#include <optional>
#include <string>

#include "baton/base/dtype.h"
#include "baton/base/status.h"
#include "baton/device/memory.h"
#include "baton/device/stream.h"
#include "baton/model/model.h"
#include "baton/ops/ops.h"

namespace baton::worker {

/// What a worker computes on.
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

/// A GPU by its number, or the CPU; deterministic as WorkerOptions says. Fails with Unavailable
/// where this build, driver or host has no such device, and with Unimplemented where an operation
/// lacks a kernel; each says what to do.
Result<WorkerDevice> OpenWorkerDevice(std::optional<int32_t> cuda, bool deterministic);

/// Lets a GPU choose how it multiplies by the model's weights; says in the log what it will not do
/// by its vendor's library. Does nothing for the CPU. Fails with ResourceExhausted.
Status PrepareProductsAndWait(const WorkerDevice& device, const model::Model& model,
                              const model::StepLimits& limits, bool deterministic);

}  // namespace baton::worker
