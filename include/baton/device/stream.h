#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#include "baton/base/status.h"

namespace baton::device {

/// Where operations run, in the order in which they were enqueued.
///
/// On a GPU an operation's call returns before its work is done: inputs, outputs and what Params
/// point at must stay valid until a mark behind it is reached; the Params themselves need not. On
/// the host an operation has finished when its call returns; a caller that may meet either must not
/// rely on it. What is given here is right for streams of the latter kind.
/// *Threads*: lives on the thread of its owner (the engine). *Invariants*: once a device is sick,
/// every mark counts as reached, so that nobody waits for it, and status() says why.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Returns when all that was enqueued has finished.
  virtual void SynchronizeAndWait() = 0;

  /// Whether calls may return before their work is done.
  virtual bool asynchronous() const { return false; }
  /// Enqueue a copy between the device's memory and pinned memory of the host, which stays as it is
  /// until a mark behind the copy is reached (DeviceMemory::AllocatePinned).
  virtual void ToDevice(void* device, const void* host, size_t bytes) {
    if (bytes > 0) std::memcpy(device, host, bytes);
  }
  virtual void ToHost(void* host, const void* device, size_t bytes) {
    if (bytes > 0) std::memcpy(host, device, bytes);
  }
  /// A mark behind all that was enqueued; marks grow, and none is 0.
  virtual uint64_t Mark() { return ++marks_; }
  /// Whether all before the mark is done. Never waits.
  virtual bool Reached(uint64_t /*mark*/) { return true; }
  /// Returns when all before the mark is done.
  virtual void ReachAndWait(uint64_t /*mark*/) {}
  virtual Status status() const { return OkStatus(); }
  /// The stream as its vendor's libraries know it (cudaStream_t); null on the host.
  virtual void* native() { return nullptr; }
  /// That its kernels run on: of a GPU that is split, those of the stream's part. 0 on the host.
  virtual int32_t multiprocessors() const { return 0; }

  /// Whether Record() may succeed.
  virtual bool records() const { return false; }
  /// Takes note under a key of what `enqueue` enqueues, and enqueues nothing. Where the device
  /// refuses, false; why is in the log.
  /// REQUIRES: `enqueue` was called before, so that all that it launches is loaded; it enqueues no
  /// copies or marks, and whatever is to differ between replays lies in memory that Params point
  /// at.
  virtual bool Record(uint64_t /*key*/, const std::function<void()>& /*enqueue*/) { return false; }
  /// Enqueues what was recorded under a key.
  virtual void Replay(uint64_t /*key*/) {}
  /// Drops all recordings. Whatever operations hold for their sake is free once they are done.
  virtual void ForgetRecordings() {}

 private:
  uint64_t marks_ = 0;
};

}  // namespace baton::device
