#include "touch.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include "baton/base/units.h"

namespace baton::transport {
namespace {

/// A huge page.
constexpr size_t kStripe = 2 * kMiB;

/// What went wrong; 0: nothing.
int TouchStripe(std::byte* data, size_t bytes) {
  if (madvise(data, bytes, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return errno;
  std::memset(data, 0, bytes);  // Linux before 5.14.
  return 0;
}

}  // namespace

Status CheckMemoryAvailable(size_t bytes) {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    size_t kib = 0;
    if (name != "MemAvailable:") continue;
    if (!(file >> kib) || bytes / 1024 <= kib) return OkStatus();
    return ResourceExhausted("the KV cache takes " + FormatBytes(static_cast<int64_t>(bytes)) +
                             ", but the host has only " +
                             FormatBytes(static_cast<int64_t>(kib) * 1024) + " available");
  }
  return OkStatus();
}

void AskForHugePages(std::byte* data, size_t bytes) { (void)madvise(data, bytes, MADV_HUGEPAGE); }

size_t BytesInHugePages(const std::byte* data) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  std::ifstream smaps("/proc/self/smaps");
  bool here = false;
  size_t kib = 0;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t begin = 0, end = 0;
    char name[32];
    size_t value = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
      here = begin <= address && address < end;
    } else if (here && std::sscanf(line.c_str(), "%31[^:]: %zu kB", name, &value) == 2) {
      const std::string_view field = name;
      if (field == "ShmemPmdMapped" || field == "Shared_Hugetlb" || field == "Private_Hugetlb") {
        kib += value;
      }
    }
  }
  return kib << 10;
}

Status TouchPages(std::byte* data, size_t bytes, const device::HostThreads& threads) {
  std::atomic<size_t> next{0};
  std::atomic<int> error{0};
  const auto touch = [&](int thread) {
    const device::StayOnCores stay(threads.CoresOf(thread));
    for (;;) {
      const size_t begin = next.fetch_add(kStripe);
      if (begin >= bytes || error != 0) return;
      if (const int failed = TouchStripe(data + begin, std::min(kStripe, bytes - begin))) {
        error = failed;
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads.count; ++i) others.emplace_back(touch, i);
    touch(0);
  }
  if (error == 0) return OkStatus();
  return ResourceExhausted("no shared memory of " + FormatBytes(static_cast<int64_t>(bytes)) +
                           " for the KV cache (is /dev/shm too small?): " + std::strerror(error));
}

}  // namespace baton::transport
