#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/random.h"
#include "baton/collective/communicator.h"
#include "baton/device/host_stream.h"
#include "baton/device/memory.h"
#include "baton/ops/ops.h"

namespace baton::device {

class LateStream;

/// A stream of a LateDevice, for those who give it work of their own.
class WorkStream : public Stream {
 public:
  struct Work {
    std::function<void()> run;
    /// Nothing that was enqueued behind it is done before this yields true; empty: at once.
    std::function<bool()> ready = {};
    /// Called, again and again, where somebody waits for what is not ready.
    std::function<void()> help = {};
  };
  virtual void Enqueue(Work work) = 0;
  /// Does what is ready, unless another thread is at it. Thread-safe.
  virtual void TryToWork() = 0;
};

/// A device as a GPU is one: whoever touches its memory from the host ends the process, and what is
/// enqueued is done later, when somebody waits for it or looks whether it is done; then at times a
/// little, at times none of it. Its streams repeat what they recorded, parameters and all.
/// *Threads*: thread-safe; its streams and queues live on one thread
/// each, and work on memory one at a time.
class LateDevice final : public DeviceMemory {
 public:
  /// Memory is that of the host, and is let in while work runs.
  explicit LateDevice(uint64_t seed = 1, std::string name = "late:0");
  ~LateDevice() override;

  std::string_view name() const override { return name_; }
  /// Filled with NaN, not zeroed: nobody may count on either.
  Result<Allocation> Allocate(size_t bytes) override;
  Result<int64_t> FreeBytes() override { return int64_t{1} << 30; }
  Result<Allocation> AllocatePinned(size_t bytes) override;
  Result<std::unique_ptr<CopyQueue>> MakeQueue() override;
  void MakeCurrent() override {}

  /// A stream for the operations of LateOps().
  std::unique_ptr<Stream> MakeStream();

  /// Runs `work` with the memory open, as a peer does that reaches it without the host.
  void Touch(const std::function<void()>& work);
  bool Owns(const void* data) const;
  bool IsPinned(const void* data, size_t bytes) const;
  /// From now on every stream of the device is sick.
  void Fail() { failed_ = true; }
  bool failed() const { return failed_; }
  /// What was enqueued on its streams and is not done.
  uint64_t pending() const { return pending_; }
  /// How often the host waited for something that was not done.
  uint64_t waits() const { return waits_; }
  /// How often what was recorded was done.
  uint64_t replays() const { return replays_; }
  /// Its streams record no more than that in all.
  void RecordAtMost(uint64_t recordings) { recordings_left_ = recordings; }

 private:
  friend class LateStream;
  void Protect(int protection);

  const uint64_t seed_;
  const std::string name_;
  uint64_t streams_ = 0;
  std::atomic<bool> failed_{false};
  std::atomic<uint64_t> pending_ = 0;
  std::atomic<uint64_t> waits_ = 0;
  std::atomic<uint64_t> replays_ = 0;
  std::atomic<uint64_t> recordings_left_ = UINT64_MAX;
  std::byte* arena_ = nullptr;
  size_t used_ = 0;
  /// Held while the memory is open.
  std::recursive_mutex open_;
  int opened_ = 0;
  mutable std::mutex pinned_mutex_;
  std::map<const std::byte*, size_t> pinned_;
};

/// The CPU's operations on streams of a LateDevice: each checks that its arrays are the device's,
/// and attention that the step's plan was made of the step's batch.
const ops::Ops& LateOps();

/// What ranks on a LateDevice each sum by, as GPUs do: enqueued, done once all ranks' streams have
/// come to it, and without the host. Sums have the bits of MakeHostGroup's.
collective::Group MakeLateGroup(int32_t ranks);

}  // namespace baton::device
