#include "baton/device/cuda_stream.h"

#include <string>

#include <cuda_runtime_api.h>

#include "baton/base/check.h"

namespace baton::device {
namespace {

class OwnedStream final : public CudaStream {
 public:
  explicit OwnedStream(cudaStream_t stream) : stream_(stream) {}
  ~OwnedStream() override { (void)cudaStreamDestroy(stream_); }

  void SynchronizeAndWait() override {
    const cudaError_t error = cudaStreamSynchronize(stream_);
    BATON_CHECK(error == cudaSuccess) << "a CUDA stream: " << cudaGetErrorString(error);
  }
  void* native() override { return stream_; }

 private:
  const cudaStream_t stream_;
};

}  // namespace

Result<std::unique_ptr<CudaStream>> OpenCudaStream(int device) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    return Unavailable("no CUDA device: " + std::string(cudaGetErrorString(error)));
  }
  if (device < 0 || device >= count) {
    return Unavailable("no device cuda:" + std::to_string(device) + ": the driver lists " +
                       std::to_string(count));
  }
  cudaError_t error = cudaSetDevice(device);
  cudaStream_t stream = nullptr;
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  if (error != cudaSuccess) {
    return Unavailable("no stream on cuda:" + std::to_string(device) + ": " +
                       cudaGetErrorString(error));
  }
  return std::unique_ptr<CudaStream>(std::make_unique<OwnedStream>(stream));
}

}  // namespace baton::device
