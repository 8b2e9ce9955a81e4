#pragma once

#include <cstdint>
#include <memory>

#include <cuda_runtime_api.h>

#include "baton/device/cuda_stream.h"

namespace baton::device {

/// Takes a stream that was made elsewhere, on a part of a device of so many multiprocessors; it is
/// destroyed before `part` goes.
std::unique_ptr<CudaStream> OwnCudaStream(cudaStream_t stream, int32_t multiprocessors,
                                          std::shared_ptr<void> part);

}  // namespace baton::device
