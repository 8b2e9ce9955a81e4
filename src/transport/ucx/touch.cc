#include "touch.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include <sys/mman.h>

#include "baton/base/units.h"

namespace baton::transport {

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

Status TouchPages(std::byte* data, size_t bytes) {
  if (madvise(data, bytes, MADV_POPULATE_WRITE) == 0) return OkStatus();
  if (errno == EINVAL) {  // Linux before 5.14.
    std::memset(data, 0, bytes);
    return OkStatus();
  }
  return ResourceExhausted("no shared memory of " + FormatBytes(static_cast<int64_t>(bytes)) +
                           " for the KV cache (is /dev/shm too small?): " + std::strerror(errno));
}

}  // namespace baton::transport
