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

/// Enqueues kernel(arguments...) on `stream`. Dynamic shared memory beyond 48 KiB is asked for
/// here. A launch that the driver refuses is a bug, and ends the process. Graph-safe.
template <class... Formal, class... Actual>
void Launch(void (*kernel)(Formal...), dim3 grid, dim3 block, size_t shared_bytes,
            cudaStream_t stream, Actual&&... actual) {
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
  const cudaError_t error =
      cudaLaunchKernelEx(&config, kernel, static_cast<Formal>(std::forward<Actual>(actual))...);
  if (!OfFailedRecording(error)) CheckCuda("launch of a kernel", error);
}

/// The same for blocks that wait for each other, or for those of such a kernel elsewhere: all run
/// at once, or the driver refuses.
template <class... Formal, class... Actual>
void LaunchTogether(void (*kernel)(Formal...), dim3 grid, dim3 block, cudaStream_t stream,
                    Actual&&... actual) {
  cudaLaunchAttribute together{};
  together.id = cudaLaunchAttributeCooperative;
  together.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  config.attrs = &together;
  config.numAttrs = 1;
  const cudaError_t error =
      cudaLaunchKernelEx(&config, kernel, static_cast<Formal>(std::forward<Actual>(actual))...);
  if (!OfFailedRecording(error)) CheckCuda("launch of a kernel", error);
}

/// REQUIRES: `stream` is a CudaStream.
inline cudaStream_t NativeStream(device::Stream& stream) {
  return static_cast<cudaStream_t>(device::AsCuda(stream).native());
}

/// Of the current device.
inline int Multiprocessors() {
  int device = 0;
  int count = 0;
  CheckCuda("cudaGetDevice", cudaGetDevice(&device));
  CheckCuda("multiprocessors",
            cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device));
  return count;
}

}  // namespace baton::kernels::cuda
