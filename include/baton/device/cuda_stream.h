#pragma once

#include <memory>
#include <typeindex>
#include <unordered_map>
#include <utility>

#include "baton/base/check.h"
#include "baton/base/status.h"
#include "baton/device/stream.h"

namespace baton::device {

/// A stream of a CUDA device, never the default one. *Threads*: lives on the thread of its owner.
class CudaStream : public Stream {
 public:
  bool asynchronous() const override { return true; }
  /// cudaStream_t.
  void* native() override = 0;

  /// Whether a kernel may begin before the one before it has ended, where it knows what it needs
  /// that one for: its start, and its first loads, pass meanwhile. Results are the same.
  bool early_launches() const { return early_launches_; }
  void SetEarlyLaunches(bool early) { early_launches_ = early; }

  /// What operations keep for this stream, one of each type: a library's handle, its workspace.
  /// Null where there is none.
  template <typename T>
  T* attached() const {
    const auto found = attached_.find(typeid(T));
    return found == attached_.end() ? nullptr : static_cast<T*>(found->second.get());
  }
  /// It goes when the stream has gone.
  template <typename T>
  void Attach(std::shared_ptr<T> state) {
    attached_[typeid(T)] = std::move(state);
  }

 private:
  bool early_launches_ = false;
  std::unordered_map<std::type_index, std::shared_ptr<void>> attached_;
};

/// A stream of its own on a device, which becomes the calling thread's current one. Fails with
/// Unavailable, saying why there is none: this build, the driver, or the number of devices.
Result<std::unique_ptr<CudaStream>> OpenCudaStream(int device);

/// REQUIRES: `stream` is a CudaStream; the CUDA operations are never given another.
inline CudaStream& AsCuda(Stream& stream) {
  auto* cuda = dynamic_cast<CudaStream*>(&stream);
  BATON_CHECK(cuda != nullptr) << "an operation for CUDA on another device's stream";
  return *cuda;
}

}  // namespace baton::device
