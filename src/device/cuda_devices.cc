#include "cuda_devices.h"

#include <cuda_runtime_api.h>

#include "baton/device/peer_access.h"
#include "on_device.h"

namespace baton::device {

void AppendCudaDevices(DeviceList& list) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    list.no_cuda = cudaGetErrorString(error);
    return;
  }
  if (count == 0) list.no_cuda = "the driver lists no device";
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties;
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, i); error != cudaSuccess) {
      list.no_cuda = "device " + std::to_string(i) + ": " + cudaGetErrorString(error);
      continue;
    }
    list.devices.push_back(
        {.id = "cuda:" + std::to_string(i),
         .name = properties.name,
         .cores = properties.multiProcessorCount,
         .memory_bytes = static_cast<int64_t>(properties.totalGlobalMem),
         .features = {"sm_" + std::to_string(properties.major * 10 + properties.minor)}});
  }
}

Status CheckCudaDevice(int device) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    return Unavailable("no CUDA device: " + std::string(cudaGetErrorString(error)));
  }
  if (device < 0 || device >= count) {
    return Unavailable("no device cuda:" + std::to_string(device) + ": the driver lists " +
                       std::to_string(count));
  }
  return OkStatus();
}

Status LetReachEachOther(const std::vector<int>& devices) {
  const OnDevice scope(devices.front());
  for (const int device : devices) {
    for (const int peer : devices) {
      if (peer == device) continue;
      int reaches = 0;
      cudaError_t error = cudaDeviceCanAccessPeer(&reaches, device, peer);
      if (error == cudaSuccess && reaches != 0) {
        (void)cudaSetDevice(device);
        error = cudaDeviceEnablePeerAccess(peer, 0);
        if (error == cudaErrorPeerAccessAlreadyEnabled) {
          (void)cudaGetLastError();  // Not left for whoever asks for the last one.
          error = cudaSuccess;
        }
        if (error == cudaSuccess) continue;
      }
      return Unavailable(
          "cuda:" + std::to_string(device) +
          " does not reach the memory of cuda:" + std::to_string(peer) +
          (error == cudaSuccess ? "" : std::string(": ") + cudaGetErrorString(error)));
    }
  }
  return OkStatus();
}

}  // namespace baton::device
