#include "baton/device/cuda_stream.h"

#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cuda_runtime_api.h>

#include "baton/base/logging.h"
#include "cuda_devices.h"
#include "own_cuda_stream.h"

namespace baton::device {
namespace {

class OwnedStream final : public CudaStream {
 public:
  /// `part` is what the stream runs on, and goes after it; null: the whole device.
  OwnedStream(cudaStream_t stream, int32_t multiprocessors, std::shared_ptr<void> part = nullptr)
      : part_(std::move(part)), stream_(stream), multiprocessors_(multiprocessors) {}
  ~OwnedStream() override {
    for (const Pending& pending : pending_) (void)cudaEventDestroy(pending.event);
    for (cudaEvent_t event : free_) (void)cudaEventDestroy(event);
    ForgetRecordings();
    (void)cudaStreamDestroy(stream_);
  }

  void SynchronizeAndWait() override { Note("a stream", cudaStreamSynchronize(stream_)); }

  void ToDevice(void* device, const void* host, size_t bytes) override {
    Copy(device, host, bytes, cudaMemcpyHostToDevice);
  }
  void ToHost(void* host, const void* device, size_t bytes) override {
    Copy(host, device, bytes, cudaMemcpyDeviceToHost);
  }

  uint64_t Mark() override {
    cudaEvent_t event = nullptr;
    if (!free_.empty()) {
      event = free_.back();
      free_.pop_back();
    } else if (!Note("cudaEventCreate", cudaEventCreateWithFlags(&event, cudaEventDisableTiming))) {
      return ++last_mark_;
    }
    Note("cudaEventRecord", cudaEventRecord(event, stream_));
    pending_.push_back({++last_mark_, event});
    return last_mark_;
  }

  bool Reached(uint64_t mark) override {
    while (status_.ok() && reached_ < mark && !pending_.empty()) {
      const cudaError_t error = cudaEventQuery(pending_.front().event);
      if (error == cudaErrorNotReady) return false;
      if (Note("a step", error)) Pass();
    }
    return true;
  }

  void ReachAndWait(uint64_t mark) override {
    while (status_.ok() && reached_ < mark && !pending_.empty()) {
      if (Note("a step", cudaEventSynchronize(pending_.front().event))) Pass();
    }
  }

  Status status() const override { return status_; }

  bool records() const override { return true; }
  bool Record(uint64_t key, const std::function<void()>& enqueue) override {
    // Other threads may allocate and copy meanwhile.
    cudaError_t error = cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal);
    cudaGraphExec_t ready = nullptr;
    if (error == cudaSuccess) {
      enqueue();
      cudaGraph_t recorded = nullptr;
      error = cudaStreamEndCapture(stream_, &recorded);
      if (error == cudaSuccess) error = cudaGraphInstantiate(&ready, recorded, 0);
      if (recorded != nullptr) (void)cudaGraphDestroy(recorded);
    }
    if (error == cudaSuccess) return graphs_.emplace(key, ready).second;
    (void)cudaGetLastError();
    BATON_LOG(Warning) << "decodes are launched kernel by kernel, as a CUDA graph of them failed: "
                       << cudaGetErrorString(error);
    return false;
  }
  void Replay(uint64_t key) override {
    Note("cudaGraphLaunch", cudaGraphLaunch(graphs_.at(key), stream_));
  }
  /// One that is under way ends before it is gone.
  void ForgetRecordings() override {
    for (const auto& [key, graph] : graphs_) (void)cudaGraphExecDestroy(graph);
    graphs_.clear();
  }

  void* native() override { return stream_; }
  int32_t multiprocessors() const override { return multiprocessors_; }

 private:
  struct Pending {
    uint64_t mark = 0;
    cudaEvent_t event = nullptr;
  };

  /// The first error stays: a device that fails once fails everything.
  bool Note(const char* what, cudaError_t error) {
    if (error == cudaSuccess) return true;
    if (status_.ok()) {
      status_ =
          Internal(std::string(what) + ": " + cudaGetErrorString(error)).WithBlast(Blast::kWorker);
    }
    return false;
  }

  void Copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    if (bytes > 0) Note("cudaMemcpyAsync", cudaMemcpyAsync(to, from, bytes, kind, stream_));
  }

  /// The event of the oldest mark has come.
  void Pass() {
    reached_ = pending_.front().mark;
    free_.push_back(pending_.front().event);
    pending_.pop_front();
  }

  const std::shared_ptr<void> part_;
  const cudaStream_t stream_;
  const int32_t multiprocessors_;
  std::deque<Pending> pending_;
  std::vector<cudaEvent_t> free_;
  std::unordered_map<uint64_t, cudaGraphExec_t> graphs_;
  uint64_t last_mark_ = 0;
  uint64_t reached_ = 0;
  Status status_;
};

}  // namespace

Result<std::unique_ptr<CudaStream>> OpenCudaStream(int device) {
  BATON_RETURN_IF_ERROR(CheckCudaDevice(device));
  cudaError_t error = cudaSetDevice(device);
  int multiprocessors = 0;
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
  }
  cudaStream_t stream = nullptr;
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  if (error != cudaSuccess) {
    return Unavailable("no stream on cuda:" + std::to_string(device) + ": " +
                       cudaGetErrorString(error));
  }
  return std::unique_ptr<CudaStream>(std::make_unique<OwnedStream>(stream, multiprocessors));
}

std::unique_ptr<CudaStream> OwnCudaStream(cudaStream_t stream, int32_t multiprocessors,
                                          std::shared_ptr<void> part) {
  return std::make_unique<OwnedStream>(stream, multiprocessors, std::move(part));
}

}  // namespace baton::device
