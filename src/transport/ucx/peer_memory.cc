#include "peer_memory.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include <sys/mman.h>

#include "streaming_copy.h"
#include "touch.h"

namespace baton::transport {
namespace {

/// Mapped at once: some 100 us in pages of 4 KiB, for which others have to wait.
constexpr size_t kBytesPerTurn = size_t{2} << 20;

}  // namespace

void PeerMemory::Write(const Descriptor& to, const std::byte* from, uint64_t transfer_bytes) {
  std::byte* target = regions_[to.remote_region].data + to.remote_offset;
  if (transfer_bytes >= kStreamingCopyBytes) {
    StreamingCopy(target, from, to.bytes);
  } else {
    std::memcpy(target, from, to.bytes);
  }
  std::atomic_thread_fence(std::memory_order_release);
}

bool PeerMemory::MapMore() {
  for (Region& region : regions_) {
    if (region.mapped >= region.bytes) continue;
    const size_t bytes = std::min(kBytesPerTurn, region.bytes - region.mapped);
    if (region.mapped == 0) AskForHugePages(region.data, region.bytes);
    // Where the kernel does not know this (before 5.14), pages come with the first writes.
    const bool known = madvise(region.data + region.mapped, bytes, MADV_POPULATE_WRITE) == 0;
    region.mapped = known ? region.mapped + bytes : region.bytes;
    return true;
  }
  return false;
}

}  // namespace baton::transport
