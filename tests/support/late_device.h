#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "baton/base/random.h"
#include "baton/device/host_stream.h"
#include "baton/device/memory.h"
#include "baton/ops/ops.h"

namespace baton::device {

/// A device as a GPU is one: whoever touches its memory from the host ends the process, and what is
/// enqueued is done later, when somebody waits for it or looks whether it is done; then at times a
/// little, at times none of it. *Threads*: thread-safe; its streams and queues live on one thread
/// each, and work on memory one at a time.
class LateDevice final : public DeviceMemory {
 public:
  /// Memory is that of the host, and is let in while work runs.
  explicit LateDevice(uint64_t seed = 1);
  ~LateDevice() override;

  std::string_view name() const override { return "late:0"; }
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

 private:
  void Protect(int protection);

  const uint64_t seed_;
  uint64_t streams_ = 0;
  bool failed_ = false;
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

}  // namespace baton::device
