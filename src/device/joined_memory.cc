#include "baton/device/joined_memory.h"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "baton/base/check.h"

namespace baton::device {

class JoinedMemory::Places {
 public:
  explicit Places(size_t devices) : devices_(devices) {}

  size_t NextDevice() {
    const std::lock_guard lock(mutex_);
    return given_++ % devices_;
  }
  void Add(const std::byte* begin, size_t bytes, size_t device) {
    const std::lock_guard lock(mutex_);
    runs_[begin] = {bytes, device};
  }
  void Remove(const std::byte* begin) {
    const std::lock_guard lock(mutex_);
    runs_.erase(begin);
  }
  size_t DeviceOf(const std::byte* data) const {
    const std::lock_guard lock(mutex_);
    const auto after = runs_.upper_bound(data);
    BATON_CHECK(after != runs_.begin()) << "a copy of memory that was not allocated here";
    const auto& [begin, run] = *std::prev(after);
    BATON_CHECK(data < begin + run.bytes) << "a copy of memory that was not allocated here";
    return run.device;
  }

 private:
  struct Run {
    size_t bytes = 0;
    size_t device = 0;
  };

  const size_t devices_;
  /// A mutex, since regions are allocated on one thread and copied on others.
  mutable std::mutex mutex_;
  size_t given_ = 0;
  std::map<const std::byte*, Run> runs_;
};

namespace {

/// A queue for each device; a mark is reached once each has reached its own.
class JoinedQueue final : public CopyQueue {
 public:
  JoinedQueue(std::vector<std::unique_ptr<CopyQueue>> queues,
              std::shared_ptr<const JoinedMemory::Places> places)
      : queues_(std::move(queues)), used_(queues_.size()), places_(std::move(places)) {}

  Status ToHost(std::byte* host, const std::byte* device, size_t bytes) override {
    return Of(device).ToHost(host, device, bytes);
  }
  Status ToDevice(std::byte* device, const std::byte* host, size_t bytes) override {
    return Of(device).ToDevice(device, host, bytes);
  }

  Result<uint64_t> Mark() override {
    std::vector<Part> parts;
    for (size_t i = 0; i < queues_.size(); ++i) {
      if (!used_[i]) continue;
      used_[i] = false;
      BATON_ASSIGN_OR_RETURN(const uint64_t mark, queues_[i]->Mark());
      parts.push_back({i, mark});
    }
    pending_.push_back(std::move(parts));
    return ++last_mark_;
  }

  Result<bool> Reached(uint64_t mark) override {
    while (!pending_.empty() && last_mark_ - pending_.size() < mark) {
      for (const Part& part : pending_.front()) {
        BATON_ASSIGN_OR_RETURN(const bool reached, queues_[part.queue]->Reached(part.mark));
        if (!reached) return false;
      }
      pending_.pop_front();
    }
    return true;
  }

  void* native() override { return queues_.front()->native(); }

 private:
  struct Part {
    size_t queue = 0;
    uint64_t mark = 0;
  };

  CopyQueue& Of(const std::byte* device) {
    const size_t i = places_->DeviceOf(device);
    used_[i] = true;
    return *queues_[i];
  }

  const std::vector<std::unique_ptr<CopyQueue>> queues_;
  /// Since the last mark.
  std::vector<bool> used_;
  const std::shared_ptr<const JoinedMemory::Places> places_;
  /// Of marks that nobody saw reached, in order.
  std::deque<std::vector<Part>> pending_;
  uint64_t last_mark_ = 0;
};

}  // namespace

JoinedMemory::JoinedMemory(std::vector<DeviceMemory*> devices)
    : devices_(std::move(devices)), places_(std::make_shared<Places>(devices_.size())) {
  BATON_CHECK(!devices_.empty());
  for (const DeviceMemory* device : devices_) {
    name_ += (name_.empty() ? "" : "+") + std::string(device->name());
  }
}

JoinedMemory::~JoinedMemory() = default;

Result<Allocation> JoinedMemory::Allocate(size_t bytes) {
  const size_t device = places_->NextDevice();
  BATON_ASSIGN_OR_RETURN(Allocation memory, devices_[device]->Allocate(bytes));
  places_->Add(memory.get(), bytes, device);
  const auto shared = std::make_shared<Allocation>(std::move(memory));
  return Allocation(shared->get(), [shared, places = places_](std::byte* freed) {
    places->Remove(freed);
    shared->reset();
  });
}

Result<int64_t> JoinedMemory::FreeBytes() {
  BATON_ASSIGN_OR_RETURN(int64_t least, devices_.front()->FreeBytes());
  for (DeviceMemory* device : devices_) {
    BATON_ASSIGN_OR_RETURN(const int64_t free, device->FreeBytes());
    least = std::min(least, free);
  }
  return least;
}

Result<Allocation> JoinedMemory::AllocatePinned(size_t bytes) {
  return devices_.front()->AllocatePinned(bytes);
}

Result<std::unique_ptr<CopyQueue>> JoinedMemory::MakeQueue() {
  std::vector<std::unique_ptr<CopyQueue>> queues;
  for (DeviceMemory* device : devices_) {
    BATON_ASSIGN_OR_RETURN(queues.emplace_back(), device->MakeQueue());
  }
  return std::unique_ptr<CopyQueue>(std::make_unique<JoinedQueue>(std::move(queues), places_));
}

}  // namespace baton::device
