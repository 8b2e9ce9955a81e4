#include "baton/device/host_memory.h"

#include <cstring>
#include <memory>
#include <new>

#include <unistd.h>

#include "baton/base/units.h"
#include "baton/device/buffer.h"

namespace baton::device {
namespace {

/// From here on huge pages may pay; below, whoever looks for accesses out of bounds sees them.
constexpr size_t kWorthMapping = 2 * kMiB;
constexpr std::align_val_t kAlignment{64};

class HostQueue final : public CopyQueue {
 public:
  Status ToHost(std::byte* host, const std::byte* device, size_t bytes) override {
    std::memcpy(host, device, bytes);
    return OkStatus();
  }
  Status ToDevice(std::byte* device, const std::byte* host, size_t bytes) override {
    std::memcpy(device, host, bytes);
    return OkStatus();
  }
  Result<uint64_t> Mark() override { return ++marks_; }
  Result<bool> Reached(uint64_t) override { return true; }
  void* native() override { return nullptr; }

 private:
  uint64_t marks_ = 0;
};

}  // namespace

Result<Allocation> HostMemory::Allocate(size_t bytes) {
  if (bytes >= kWorthMapping) {
    BATON_ASSIGN_OR_RETURN(Buffer buffer, Buffer::Allocate(bytes));
    const auto shared = std::make_shared<Buffer>(std::move(buffer));
    return Allocation(shared->data(), [shared](std::byte*) {});
  }
  auto* data = static_cast<std::byte*>(::operator new(bytes, kAlignment));
  std::memset(data, 0, bytes);
  return Allocation(data, [](std::byte* freed) { ::operator delete(freed, kAlignment); });
}

Result<int64_t> HostMemory::FreeBytes() {
  return int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE);
}

Result<std::unique_ptr<CopyQueue>> HostMemory::MakeQueue() {
  return std::unique_ptr<CopyQueue>(std::make_unique<HostQueue>());
}

}  // namespace baton::device
