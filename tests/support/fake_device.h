#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "baton/base/random.h"
#include "baton/device/memory.h"

namespace baton::device {

/// A queue of work that a device does later: a little, now and then, whenever it is looked at.
/// Handing in work that cannot start yet holds up all behind it, as on a stream.
class FakeQueue final : public CopyQueue {
 public:
  /// Tries to do the work; false when it has to be tried again.
  using Work = std::function<bool()>;

  /// With `seed` 0 all is done at the first look.
  FakeQueue(class FakeDevice& device, uint64_t seed)
      : device_(device), random_(seed), seed_(seed) {}

  Status ToHost(std::byte* host, const std::byte* device, size_t bytes) override;
  Status ToDevice(std::byte* device, const std::byte* host, size_t bytes) override;
  Result<uint64_t> Mark() override { return given_; }
  Result<bool> Reached(uint64_t mark) override;
  void* native() override { return this; }

  void Give(Work work);

 private:
  FakeDevice& device_;
  Random random_;
  const uint64_t seed_;
  std::deque<Work> work_;
  uint64_t given_ = 0;
  uint64_t done_ = 0;
};

/// A device whose memory the host cannot touch: whoever does, other than by a queue or Copy(), ends
/// the process. *Threads*: thread-safe, but for its faults; each queue lives on one thread.
class FakeDevice final : public DeviceMemory {
 public:
  explicit FakeDevice(uint64_t seed = 0) : seed_(seed) {}

  std::string_view name() const override { return "fake:0"; }
  Result<Allocation> Allocate(size_t bytes) override;
  Result<int64_t> FreeBytes() override { return int64_t{1} << 30; }
  Result<Allocation> AllocatePinned(size_t bytes) override;
  Result<std::unique_ptr<CopyQueue>> MakeQueue() override;
  void MakeCurrent() override {}

  /// At once, between any memory of the host and of this device.
  void Copy(std::byte* to, const std::byte* from, size_t bytes) const;
  bool IsPinned(const std::byte* data, size_t bytes) const;

  /// Whether nothing that is enqueued gets done.
  void Hang(bool hangs) { hangs_ = hangs; }
  bool hangs() const { return hangs_; }
  /// Every call of a queue fails from now on.
  void Fail() { failed_ = true; }
  Status status() const;

 private:
  /// Where the host may touch what lies at `data`.
  std::byte* View(const std::byte* data) const;

  const uint64_t seed_;
  mutable std::mutex mutex_;
  uint64_t queues_ = 0;
  bool hangs_ = false;
  bool failed_ = false;
  /// By address: bytes, and where the host may touch them.
  struct Mapping {
    size_t bytes = 0;
    std::byte* view = nullptr;
  };
  std::map<const std::byte*, Mapping> device_;
  std::map<const std::byte*, size_t> pinned_;
};

}  // namespace baton::device
