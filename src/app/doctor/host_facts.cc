#include "host_facts.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "baton/app/cores.h"
#include "baton/base/units.h"

namespace baton::app {
namespace {

namespace fs = std::filesystem;

std::string FirstWord(const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

int64_t NumberIn(const fs::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  // "max" means that there is no limit.
  return file >> number ? number : -1;
}

/// The word in brackets, as in "always [madvise] never".
std::string Chosen(const fs::path& path) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word.size() > 2 && word.front() == '[') return word.substr(1, word.size() - 2);
  }
  return {};
}

/// A line of /proc/meminfo in bytes, or a count.
int64_t MemoryInfo(const std::string& name) {
  std::ifstream file("/proc/meminfo");
  std::string key;
  int64_t value = 0;
  std::string rest;
  while (file >> key >> value && std::getline(file, rest)) {
    if (key == name + ":") return rest.find("kB") == std::string::npos ? value : value * kKiB;
  }
  return -1;
}

int64_t Limit(int resource) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return -1;
  return limit.rlim_cur == RLIM_INFINITY ? -1 : static_cast<int64_t>(limit.rlim_cur);
}

std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<NetworkInterface> Interfaces() {
  std::vector<NetworkInterface> interfaces;
  const fs::path root = "/sys/class/net";
  for (const std::string& name : NamesIn(root)) {
    const std::string state = FirstWord(root / name / "operstate");
    interfaces.push_back({.name = name,
                          .mtu = static_cast<int32_t>(NumberIn(root / name / "mtu")),
                          // Loopback has no carrier to tell of.
                          .up = state == "up" || name == "lo"});
  }
  return interfaces;
}

}  // namespace

HostFacts ReadHostFacts() {
  utsname system{};
  uname(&system);
  timespec resolution{};
  clock_getres(CLOCK_MONOTONIC, &resolution);
  HostFacts facts{
      .system = std::string(system.sysname) + " " + system.release + " " + system.machine,
      .cores = AvailableCores(),
      .memory = MemoryInfo("MemTotal"),
      .memory_available = MemoryInfo("MemAvailable"),
      .memory_limit = NumberIn("/sys/fs/cgroup/memory.max"),
      .huge_pages_free = MemoryInfo("HugePages_Free"),
      .shm_huge_pages = Chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
      .locked_memory_limit = Limit(RLIMIT_MEMLOCK),
      .open_files_limit = Limit(RLIMIT_NOFILE),
      .clock_source = FirstWord("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
      .clock_resolution_ns = resolution.tv_sec * 1'000'000'000 + resolution.tv_nsec,
      .interfaces = Interfaces(),
      .rdma_devices = NamesIn("/sys/class/infiniband")};
  struct statvfs shm {};
  if (statvfs("/dev/shm", &shm) == 0) {
    const auto block = static_cast<int64_t>(shm.f_frsize);
    facts.shm = block * static_cast<int64_t>(shm.f_blocks);
    facts.shm_available = block * static_cast<int64_t>(shm.f_bavail);
  }
  return facts;
}

}  // namespace baton::app
