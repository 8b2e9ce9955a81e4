#include "support/fake_device.h"

#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

namespace baton::device {

void FakeQueue::Give(Work work) {
  work_.push_back(std::move(work));
  ++given_;
}

Status FakeQueue::ToHost(std::byte* host, const std::byte* device, size_t bytes) {
  BATON_RETURN_IF_ERROR(device_.status());
  BATON_CHECK(device_.IsPinned(host, bytes)) << "a copy to memory that is not pinned";
  Give([this, host, device, bytes] {
    device_.Copy(host, device, bytes);
    return true;
  });
  return OkStatus();
}

Status FakeQueue::ToDevice(std::byte* device, const std::byte* host, size_t bytes) {
  BATON_RETURN_IF_ERROR(device_.status());
  BATON_CHECK(device_.IsPinned(host, bytes)) << "a copy from memory that is not pinned";
  Give([this, device, host, bytes] {
    device_.Copy(device, host, bytes);
    return true;
  });
  return OkStatus();
}

Result<bool> FakeQueue::Reached(uint64_t mark) {
  BATON_RETURN_IF_ERROR(device_.status());
  uint64_t steps = seed_ == 0 ? work_.size() : random_.Below(4);
  while (!device_.hangs() && steps-- > 0 && !work_.empty() && work_.front()()) {
    work_.pop_front();
    ++done_;
  }
  return done_ >= mark;
}

Status FakeDevice::status() const {
  return failed_ ? Internal("the device has failed").WithBlast(Blast::kWorker) : OkStatus();
}

Result<Allocation> FakeDevice::Allocate(size_t bytes) {
  const int fd = memfd_create("fake_device", MFD_CLOEXEC);
  BATON_CHECK(fd >= 0 && ftruncate(fd, static_cast<off_t>(bytes)) == 0);
  void* data = mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, fd, 0);
  void* view = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  BATON_CHECK(data != MAP_FAILED && view != MAP_FAILED);
  auto* begin = static_cast<std::byte*>(data);
  const std::lock_guard lock(mutex_);
  device_[begin] = {bytes, static_cast<std::byte*>(view)};
  return Allocation(begin, [this, bytes, view](std::byte* freed) {
    const std::lock_guard unmapping(mutex_);
    device_.erase(freed);
    munmap(freed, bytes);
    munmap(view, bytes);
  });
}

Result<Allocation> FakeDevice::AllocatePinned(size_t bytes) {
  auto* begin = new std::byte[bytes];
  const std::lock_guard lock(mutex_);
  pinned_[begin] = bytes;
  return Allocation(begin, [this](std::byte* freed) {
    const std::lock_guard freeing(mutex_);
    pinned_.erase(freed);
    delete[] freed;
  });
}

Result<std::unique_ptr<CopyQueue>> FakeDevice::MakeQueue() {
  const std::lock_guard lock(mutex_);
  const uint64_t seed = seed_ == 0 ? 0 : seed_ + ++queues_;
  return std::unique_ptr<CopyQueue>(std::make_unique<FakeQueue>(*this, seed));
}

void FakeDevice::Copy(std::byte* to, const std::byte* from, size_t bytes) const {
  const std::lock_guard lock(mutex_);
  std::memcpy(View(to), View(from), bytes);
}

bool FakeDevice::IsPinned(const std::byte* data, size_t bytes) const {
  const std::lock_guard lock(mutex_);
  const auto after = pinned_.upper_bound(data);
  if (after == pinned_.begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return data + bytes <= begin + size;
}

/// REQUIRES: the lock.
std::byte* FakeDevice::View(const std::byte* data) const {
  const auto after = device_.upper_bound(data);
  if (after != device_.begin()) {
    const auto& [begin, mapping] = *std::prev(after);
    if (data < begin + mapping.bytes) return mapping.view + (data - begin);
  }
  return const_cast<std::byte*>(data);
}

}  // namespace baton::device
