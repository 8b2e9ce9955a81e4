#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/status.h"
#include "baton/device/cuda_stream.h"
#include "baton/device/memory.h"
#include "baton/ops/ops.h"

namespace baton::kernels {

struct CudaOpsOptions {
  /// A row's bits depend on its own values and positions alone, whether a decode computes it or a
  /// chunk of a prompt. Else the attention of long chunks is another, faster one. Products have an
  /// option of their own: CudaLinearOptions.
  bool deterministic = true;
};

/// The operations for CUDA devices of compute capability 9.0, on streams that are CudaStreams: one
/// table for each of the options.
/// REQUIRES: WhyNoCudaOps() is empty.
const ops::Ops& CudaOps(const CudaOpsOptions& options = {});

/// Why this build has no kernels for CUDA, for a person to read; empty where it has.
std::string_view WhyNoCudaOps();

struct CudaLinearOptions {
  /// Each weight matrix has an algorithm that leaves sums over K whole, and for few rows others
  /// that give the same bits: a row's do not depend on its neighbours. Else each number of rows has
  /// its fastest.
  bool deterministic = true;
  /// The file of cuBLASLt; empty: the one of this build's major version, where the loader finds it.
  std::string cublaslt = {};
};

/// Lets Ops::linear use cuBLASLt on a stream: loads it, and chooses an algorithm for each of
/// `widest`, the products of a model with the most rows that they will have; their w and bias are
/// read, their x and y are not. Deterministic algorithms are tried on the device, in memory of so
/// many rows that is freed again. Yields, for each product that the library is not used for, why;
/// it is computed by our own kernels, as all are on a stream that this was not called for.
/// `memory` is of the stream's device and outlives the stream. Fails with Unavailable, naming the
/// library, where it cannot be loaded, and with ResourceExhausted.
Result<std::vector<std::string>> PrepareCudaLinearAndWait(
    device::CudaStream& stream, device::DeviceMemory& memory, const CudaLinearOptions& options,
    std::span<const ops::LinearParams> widest);

}  // namespace baton::kernels
