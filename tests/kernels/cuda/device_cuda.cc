#include <cuda_runtime_api.h>

#include "baton/base/check.h"
#include "baton/device/cuda_stream.h"
#include "kernels/cuda/device.h"

namespace baton::kernels::cuda {
namespace {

Result<std::unique_ptr<device::CudaStream>>& Opened() {
  static Result<std::unique_ptr<device::CudaStream>> stream = device::OpenCudaStream(0);
  return stream;
}

void Check(cudaError_t error) { BATON_CHECK(error == cudaSuccess) << cudaGetErrorString(error); }

}  // namespace

std::string WhyNoDevice() {
  if (!Opened().ok()) return std::string(Opened().status().message());
  int major = 0;
  Check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  return major == 9 ? "" : "the kernels are for compute capability 9.0";
}

std::vector<uint64_t> Schedules() { return {0}; }
void SetSchedule(uint64_t) {}

device::Stream& DeviceStream() { return **Opened(); }

std::shared_ptr<std::byte> DeviceBytes(size_t bytes) {
  void* data = nullptr;
  Check(cudaMalloc(&data, bytes == 0 ? 1 : bytes));
  Check(cudaMemset(data, 0xff, bytes == 0 ? 1 : bytes));
  Check(cudaDeviceSynchronize());
  return {static_cast<std::byte*>(data), [](std::byte* p) { (void)cudaFree(p); }};
}

void SetConstant(std::byte*) {}
void CopyToDevice(std::byte* device, const void* host, size_t bytes) {
  Check(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice));
  Check(cudaDeviceSynchronize());
}

void CopyToHost(void* host, const std::byte* device, size_t bytes) {
  DeviceStream().SynchronizeAndWait();
  Check(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost));
}

}  // namespace baton::kernels::cuda
