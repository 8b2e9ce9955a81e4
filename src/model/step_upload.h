#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "baton/base/check.h"
#include "baton/device/memory.h"
#include "baton/device/stream.h"

namespace baton::model {

/// Memory of a device that each step fills anew, by one copy from pinned memory of the host. The
/// host can fill the next step's while the copy of the last is under way.
/// *Threads*: lives on the engine thread.
class StepUpload {
 public:
  /// `memory` and `stream`, which is of the same device, outlive this. The first `head` bytes of
  /// the device's memory are not filled: they are the device's own, beside what the host sends.
  StepUpload(device::DeviceMemory& memory, device::Stream& stream, size_t head = 0)
      : memory_(memory), stream_(stream), head_(head) {}

  /// Makes place for so many bytes; waits for the stream if there is too little.
  Status ReserveAndWait(size_t bytes);
  /// Where this step's bytes go, free to be written. Waits if the last but one is not copied yet.
  std::byte* HostAndWait();
  /// Enqueues the copy of the first so many bytes.
  void Send(size_t bytes);
  std::byte* device() const { return device_.get() + head_; }
  std::byte* head() const { return device_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Slot {
    device::Allocation pinned;
    uint64_t copied = 0;
  };

  device::DeviceMemory& memory_;
  device::Stream& stream_;
  const size_t head_;
  size_t capacity_ = 0;
  device::Allocation device_;
  std::array<Slot, 2> slots_;
  size_t next_ = 0;
};

/// Lays arrays behind each other in memory of the host that will be copied to a device.
/// *Invariants*: where an array comes to lie depends on the sizes of those before it only.
class StepPacker {
 public:
  static constexpr size_t kAlignment = 16;
  /// What an array takes.
  template <typename T>
  static constexpr size_t BytesOf(size_t count) {
    return (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }

  StepPacker(std::byte* host, const StepUpload& upload)
      : host_(host), device_(upload.device()), capacity_(upload.capacity()) {}

  /// Where `count` elements lie for the host to write, and in `device` for the device to read.
  template <typename T>
  T* Make(size_t count, const T*& device) {
    T* host = reinterpret_cast<T*>(host_ + used_);
    device = reinterpret_cast<const T*>(device_ + used_);
    used_ += BytesOf<T>(count);
    BATON_CHECK(used_ <= capacity_) << "a step over its limits";
    return host;
  }
  /// Where the device reads a copy of these.
  template <typename T>
  const T* Put(const T* values, size_t count) {
    const T* device = nullptr;
    std::copy_n(values, count, Make(count, device));
    return device;
  }
  size_t used() const { return used_; }

 private:
  std::byte* const host_;
  std::byte* const device_;
  const size_t capacity_;
  size_t used_ = 0;
};

}  // namespace baton::model
