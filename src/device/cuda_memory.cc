#include <deque>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

#include "baton/device/memory.h"
#include "cuda_devices.h"
#include "on_device.h"

namespace baton::device {
namespace {

/// A device that fails a copy fails everything: the worker ends.
Status Sick(const char* what, cudaError_t error) {
  return Internal(std::string(what) + ": " + cudaGetErrorString(error)).WithBlast(Blast::kWorker);
}

Status Check(const char* what, cudaError_t error) {
  return error == cudaSuccess ? OkStatus() : Sick(what, error);
}

class CudaCopyQueue final : public CopyQueue {
 public:
  CudaCopyQueue(int device, cudaStream_t stream) : device_(device), stream_(stream) {}
  ~CudaCopyQueue() override {
    const OnDevice scope(device_);
    for (const Pending& pending : pending_) (void)cudaEventDestroy(pending.event);
    for (cudaEvent_t event : free_) (void)cudaEventDestroy(event);
    (void)cudaStreamDestroy(stream_);
  }

  Status ToHost(std::byte* host, const std::byte* device, size_t bytes) override {
    return Copy(host, device, bytes, cudaMemcpyDeviceToHost);
  }
  Status ToDevice(std::byte* device, const std::byte* host, size_t bytes) override {
    return Copy(device, host, bytes, cudaMemcpyHostToDevice);
  }

  Result<uint64_t> Mark() override {
    const OnDevice scope(device_);
    cudaEvent_t event = nullptr;
    if (!free_.empty()) {
      event = free_.back();
      free_.pop_back();
    } else {
      BATON_RETURN_IF_ERROR(
          Check("cudaEventCreate", cudaEventCreateWithFlags(&event, cudaEventDisableTiming)));
    }
    if (const cudaError_t error = cudaEventRecord(event, stream_); error != cudaSuccess) {
      free_.push_back(event);
      return Sick("cudaEventRecord", error);
    }
    pending_.push_back({++last_mark_, event});
    return last_mark_;
  }

  Result<bool> Reached(uint64_t mark) override {
    const OnDevice scope(device_);
    while (reached_ < mark && !pending_.empty()) {
      const cudaError_t error = cudaEventQuery(pending_.front().event);
      if (error == cudaErrorNotReady) return false;
      if (error != cudaSuccess) return Sick("a copy", error);
      reached_ = pending_.front().mark;
      free_.push_back(pending_.front().event);
      pending_.pop_front();
    }
    return reached_ >= mark;
  }

  void* native() override { return stream_; }

 private:
  struct Pending {
    uint64_t mark = 0;
    cudaEvent_t event = nullptr;
  };

  Status Copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    const OnDevice scope(device_);
    return Check("cudaMemcpyAsync", cudaMemcpyAsync(to, from, bytes, kind, stream_));
  }

  const int device_;
  const cudaStream_t stream_;
  std::deque<Pending> pending_;
  std::vector<cudaEvent_t> free_;
  uint64_t last_mark_ = 0;
  uint64_t reached_ = 0;
};

class CudaMemory final : public DeviceMemory {
 public:
  explicit CudaMemory(int device) : device_(device), name_("cuda:" + std::to_string(device)) {}

  std::string_view name() const override { return name_; }

  Result<Allocation> Allocate(size_t bytes) override {
    const OnDevice scope(device_);
    void* data = nullptr;
    cudaError_t error = cudaMalloc(&data, bytes);
    if (error != cudaSuccess) return Exhausted(bytes, "device", error);
    Allocation allocation(static_cast<std::byte*>(data), [](std::byte* p) { (void)cudaFree(p); });
    BATON_RETURN_IF_ERROR(Check("cudaMemset", cudaMemset(data, 0, bytes)));
    BATON_RETURN_IF_ERROR(Check("cudaMemset", cudaStreamSynchronize(nullptr)));
    return allocation;
  }

  Result<int64_t> FreeBytes() override {
    const OnDevice scope(device_);
    size_t free = 0;
    size_t total = 0;
    BATON_RETURN_IF_ERROR(Check("cudaMemGetInfo", cudaMemGetInfo(&free, &total)));
    return static_cast<int64_t>(free);
  }

  Result<Allocation> AllocatePinned(size_t bytes) override {
    const OnDevice scope(device_);
    void* data = nullptr;
    const cudaError_t error = cudaHostAlloc(&data, bytes, cudaHostAllocDefault);
    if (error != cudaSuccess) return Exhausted(bytes, "pinned host", error);
    return Allocation(static_cast<std::byte*>(data), [](std::byte* p) { (void)cudaFreeHost(p); });
  }

  Result<std::unique_ptr<CopyQueue>> MakeQueue() override {
    const OnDevice scope(device_);
    cudaStream_t stream = nullptr;
    BATON_RETURN_IF_ERROR(
        Check("cudaStreamCreate", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)));
    return std::unique_ptr<CopyQueue>(std::make_unique<CudaCopyQueue>(device_, stream));
  }

  void MakeCurrent() override { (void)cudaSetDevice(device_); }

 private:
  Status Exhausted(size_t bytes, const char* what, cudaError_t error) const {
    return ResourceExhausted(name_ + " gives no " + std::to_string(bytes) + " bytes of " + what +
                             " memory: " + cudaGetErrorString(error));
  }

  const int device_;
  const std::string name_;
};

}  // namespace

Result<std::unique_ptr<DeviceMemory>> OpenCudaMemory(int device) {
  BATON_RETURN_IF_ERROR(CheckCudaDevice(device));
  return std::unique_ptr<DeviceMemory>(std::make_unique<CudaMemory>(device));
}

}  // namespace baton::device
