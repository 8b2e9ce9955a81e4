#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "baton/base/status.h"

namespace baton::device {

/// Memory that frees itself.
using Allocation = std::unique_ptr<std::byte, std::function<void(std::byte*)>>;

/// Copies between a device and its host. Calls enqueue and return; copies run in order.
/// *Threads*: lives on the thread of its owner. *Invariants*: what is copied stays valid until a
/// mark behind it is reached; so does the queue, or the process ends.
class CopyQueue {
 public:
  virtual ~CopyQueue() = default;
  /// `host` is of DeviceMemory::AllocatePinned. Both fail when the device is sick.
  virtual Status ToHost(std::byte* host, const std::byte* device, size_t bytes) = 0;
  virtual Status ToDevice(std::byte* device, const std::byte* host, size_t bytes) = 0;
  /// A mark behind all that was enqueued; marks grow.
  virtual Result<uint64_t> Mark() = 0;
  /// Whether all before the mark is done, and so visible to whatever is enqueued on the device
  /// afterwards. Never waits. Fails when the device is sick.
  virtual Result<bool> Reached(uint64_t mark) = 0;
  /// The stream as its vendor's libraries know it (cudaStream_t), for those that enqueue on it.
  virtual void* native() = 0;
};

/// The memory of one device. *Threads*: thread-safe.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  /// "cuda:0".
  virtual std::string_view name() const = 0;
  /// Zeroed memory of the device, which the host must not touch. Fails with ResourceExhausted.
  virtual Result<Allocation> Allocate(size_t bytes) = 0;
  /// What is left of the device's memory, for whoever takes it first.
  virtual Result<int64_t> FreeBytes() = 0;
  /// Memory of the host that its device copies from and to without the processor's help. Fails with
  /// ResourceExhausted.
  virtual Result<Allocation> AllocatePinned(size_t bytes) = 0;
  virtual Result<std::unique_ptr<CopyQueue>> MakeQueue() = 0;
  /// Makes the device the calling thread's own, for libraries of its vendor.
  virtual void MakeCurrent() = 0;
};

/// Memory of the device with these bytes in it. Fails with ResourceExhausted, or when the device is
/// sick.
Result<Allocation> UploadAndWait(std::span<const std::byte> bytes, DeviceMemory& memory);

/// The memory of a CUDA device. Fails with Unavailable, saying why there is none: this build, the
/// driver, or the number of devices.
Result<std::unique_ptr<DeviceMemory>> OpenCudaMemory(int device);

}  // namespace baton::device
