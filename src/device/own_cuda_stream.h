#pragma once

#include <memory>

#include <cuda_runtime_api.h>

#include "baton/device/cuda_stream.h"

namespace baton::device {

/// Takes a stream that was made elsewhere; it is destroyed before `part` goes.
std::unique_ptr<CudaStream> OwnCudaStream(cudaStream_t stream, std::shared_ptr<void> part);

}  // namespace baton::device
