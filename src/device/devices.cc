#include "baton/device/devices.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <thread>

#include <sched.h>
#include <unistd.h>

#include "cuda_devices.h"

namespace baton::device {
namespace {

/// Those of the processor's flags that kernels are chosen by, now or soon.
constexpr std::array kFeatures = {"avx2",     "fma",      "f16c",        "avx512f",     "avx512bw",
                                  "avx512vl", "avx512dq", "avx512_bf16", "avx512_vnni", "amx_bf16",
                                  "asimd",    "bf16",     "sve"};

int UsableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

/// The part of a /proc/cpuinfo line after "key : ", or nothing.
std::string ValueOf(const std::string& line, const std::string& key) {
  if (line.rfind(key, 0) != 0) return "";
  const size_t colon = line.find(": ");
  return colon == std::string::npos ? "" : line.substr(colon + 2);
}

std::vector<std::string> KnownFeatures(const std::string& flags) {
  std::vector<std::string> features;
  std::istringstream words(flags);
  for (std::string word; words >> word;) {
    if (std::find(kFeatures.begin(), kFeatures.end(), word) != kFeatures.end()) {
      features.push_back(word);
    }
  }
  return features;
}

DeviceInfo Host() {
  DeviceInfo host{.id = "cpu", .name = "unknown processor", .cores = UsableCores()};
  host.memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line) && !line.empty();) {
    if (const std::string name = ValueOf(line, "model name"); !name.empty()) host.name = name;
    for (const char* key : {"flags", "Features"}) {
      if (const std::string flags = ValueOf(line, key); !flags.empty()) {
        host.features = KnownFeatures(flags);
      }
    }
  }
  return host;
}

}  // namespace

DeviceList Devices() {
  DeviceList list;
  list.devices.push_back(Host());
  AppendCudaDevices(list);
  return list;
}

}  // namespace baton::device
