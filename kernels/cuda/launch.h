#pragma once

#include <cstddef>
#include <utility>

#include <cuda_runtime.h>

#include "baton/base/check.h"
#include "baton/device/cuda_stream.h"

/// How kernels are launched. Under the emulator tests/simt/launch.h takes this file's place.
namespace baton::kernels::cuda {

inline void CheckCuda(const char* what, cudaError_t error) {
  BATON_CHECK(error == cudaSuccess) << what << ": " << cudaGetErrorString(error);
}

/// A recording that has failed refuses all launches that follow; its end says so.
inline bool OfFailedRecording(cudaError_t error) {
  return error >= cudaErrorStreamCaptureUnsupported && error <= cudaErrorStreamCaptureWrongThread;
}

template <class... Formal, class... Actual>
void LaunchWith(cudaLaunchAttribute* attribute, void (*kernel)(Formal...), dim3 grid, dim3 block,
                size_t shared_bytes, cudaStream_t stream, Actual&&... actual) {
  if (shared_bytes > size_t{48} * 1024) {
    CheckCuda("shared memory of a kernel",
              cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(shared_bytes)));
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = attribute;
  config.numAttrs = attribute == nullptr ? 0 : 1;
  const cudaError_t error =
      cudaLaunchKernelEx(&config, kernel, static_cast<Formal>(std::forward<Actual>(actual))...);
  if (!OfFailedRecording(error)) CheckCuda("launch of a kernel", error);
}

/// Enqueues kernel(arguments...) on `stream`. Dynamic shared memory beyond 48 KiB is asked for
/// here. A launch that the driver refuses is a bug, and ends the process. Graph-safe.
template <class... Formal, class... Actual>
void Launch(void (*kernel)(Formal...), dim3 grid, dim3 block, size_t shared_bytes,
            cudaStream_t stream, Actual&&... actual) {
  LaunchWith(nullptr, kernel, grid, block, shared_bytes, stream, std::forward<Actual>(actual)...);
}

/// The same for kernels that say by ptx/kernel_order.h what they need those before them for. Where
/// the stream has early launches, such a kernel begins when all blocks of the one before it have
/// let it, or have ended.
template <class... Formal, class... Actual>
void LaunchEarly(void (*kernel)(Formal...), dim3 grid, dim3 block, size_t shared_bytes,
                 device::Stream& stream, Actual&&... actual) {
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  device::CudaStream& on = device::AsCuda(stream);
  LaunchWith(on.early_launches() ? &early : nullptr, kernel, grid, block, shared_bytes,
             static_cast<cudaStream_t>(on.native()), std::forward<Actual>(actual)...);
}

/// The same for blocks that wait for each other, or for those of such a kernel elsewhere: all run
/// at once, or the driver refuses.
template <class... Formal, class... Actual>
void LaunchTogether(void (*kernel)(Formal...), dim3 grid, dim3 block, cudaStream_t stream,
                    Actual&&... actual) {
  cudaLaunchAttribute together{};
  together.id = cudaLaunchAttributeCooperative;
  together.val.cooperative = 1;
  LaunchWith(&together, kernel, grid, block, 0, stream, std::forward<Actual>(actual)...);
}

/// REQUIRES: `stream` is a CudaStream.
inline cudaStream_t NativeStream(device::Stream& stream) {
  return static_cast<cudaStream_t>(device::AsCuda(stream).native());
}

}  // namespace baton::kernels::cuda
