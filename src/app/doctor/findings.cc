#include "findings.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "baton/base/units.h"

namespace baton::app {
namespace {

/// Files that a process has open besides its connections.
constexpr int64_t kOtherFiles = 64;
/// Below this, a hand-off over the network costs more than most prefills.
constexpr double kLeastRemoteBytesPerS = 1e9;
/// Timelines of requests that cross hosts are readable up to this.
constexpr double kMostClockOffsetS = 0.005;
constexpr int32_t kEthernetMtu = 1500;

std::string Sized(int64_t bytes) { return bytes < 0 ? "unlimited" : FormatBytes(bytes); }

Finding ExamineCores(const HostFacts& facts, const Wanted& wanted) {
  const std::string cores = std::to_string(facts.cores) + (facts.cores == 1 ? " core" : " cores");
  if (wanted.threads <= facts.cores) return {"cores", Level::kOk, cores, ""};
  return {"cores", Level::kNote,
          cores + " for " + std::to_string(wanted.threads) + " computing threads of " +
              std::to_string(wanted.workers) + " workers",
          "workers will wait for each other: lower workers.*.threads or workers.*.count"};
}

Finding ExamineMemory(const HostFacts& facts, const Wanted& wanted) {
  int64_t available = facts.memory_available;
  std::string text = Sized(facts.memory) + ", " + Sized(available) + " available";
  if (facts.memory_limit >= 0) {
    text += ", limited to " + Sized(facts.memory_limit) + " by the control group";
    available = std::min(available, facts.memory_limit);
  }
  if (wanted.kv_bytes <= available) return {"memory", Level::kOk, text, ""};
  return {"memory", Level::kProblem, text + "; the KV caches take " + Sized(wanted.kv_bytes),
          "lower workers.*.kv_memory or workers.*.count"};
}

/// KV pools lie in shared memory, which workers of one host map.
Finding ExamineSharedMemory(const HostFacts& facts, const Wanted& wanted) {
  if (facts.shm < 0) {
    return {"shm", Level::kProblem, "no /dev/shm: workers of this host cannot share memory",
            "mount a tmpfs there"};
  }
  const std::string text = Sized(facts.shm_available) + " free of " + Sized(facts.shm);
  if (wanted.kv_bytes <= facts.shm_available) return {"shm", Level::kOk, text, ""};
  return {"shm", Level::kProblem, text + "; the KV caches take " + Sized(wanted.kv_bytes),
          "lower workers.*.kv_memory, or enlarge it: mount -o remount,size=" +
              std::to_string(wanted.kv_bytes + wanted.kv_bytes / 8) + " /dev/shm"};
}

Finding ExamineHugePages(const HostFacts& facts) {
  const std::string& setting = facts.shm_huge_pages;
  const std::string text = "shared memory: " + (setting.empty() ? "not supported" : setting) +
                           ", " + std::to_string(std::max<int64_t>(0, facts.huge_pages_free)) +
                           " reserved ones free";
  if (setting == "always" || setting == "within_size" || setting == "advise") {
    return {"huge_pages", Level::kOk, text, ""};
  }
  return {"huge_pages", Level::kNote, text,
          "copies between workers gain from them: echo advise > "
          "/sys/kernel/mm/transparent_hugepage/shmem_enabled"};
}

/// RDMA pins the memory that it reads and writes.
Finding ExamineLockedMemory(const HostFacts& facts, const Wanted& wanted) {
  const std::string text = Sized(facts.locked_memory_limit);
  const bool enough = facts.locked_memory_limit < 0 || facts.locked_memory_limit >= wanted.kv_bytes;
  if (facts.rdma_devices.empty() || enough) return {"memlock", Level::kOk, text, ""};
  return {"memlock", Level::kProblem,
          text + "; RDMA registers the KV caches' " + Sized(wanted.kv_bytes),
          "raise it: ulimit -l unlimited, or LimitMEMLOCK=infinity"};
}

Finding ExamineOpenFiles(const HostFacts& facts, const Wanted& wanted) {
  const std::string text = facts.open_files_limit < 0 ? std::string("unlimited")
                                                      : std::to_string(facts.open_files_limit);
  const int64_t needed = wanted.connections + kOtherFiles;
  if (facts.open_files_limit < 0 || facts.open_files_limit >= needed) {
    return {"open_files", Level::kOk, text, ""};
  }
  return {"open_files", Level::kProblem,
          text + "; limits.connections asks for " + std::to_string(needed),
          "raise it: ulimit -n " + std::to_string(needed) + ", or lower limits.connections"};
}

Finding ExamineClock(const HostFacts& facts) {
  const std::string text =
      facts.clock_source + ", " + std::to_string(facts.clock_resolution_ns) + " ns";
  const bool slow = facts.clock_source == "hpet" || facts.clock_source == "acpi_pm";
  if (!slow && facts.clock_resolution_ns <= 1000) return {"clock", Level::kOk, text, ""};
  return {"clock", Level::kNote, text,
          "reading the time is slow or coarse here: boot with clocksource=tsc if the processor "
          "has an invariant one"};
}

Finding ExamineInterface(const NetworkInterface& interface) {
  const std::string text = "mtu " + std::to_string(interface.mtu) + (interface.up ? "" : ", down");
  const std::string about = "network." + interface.name;
  const bool small = interface.up && interface.name != "lo" && interface.mtu <= kEthernetMtu;
  if (!small) return {about, Level::kOk, text, ""};
  return {about, Level::kNote, text,
          "if KV travels over it by TCP, jumbo frames help: ip link set " + interface.name +
              " mtu 9000, on every hop"};
}

Finding ExamineRdma(const HostFacts& facts) {
  std::string text;
  for (const std::string& name : facts.rdma_devices) text += (text.empty() ? "" : ", ") + name;
  if (!text.empty()) return {"rdma", Level::kOk, text, ""};
  return {"rdma", Level::kOk, "none: between hosts KV travels over TCP", ""};
}

std::string Printed(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

Finding ExamineBandwidth(const PairFigures& figures) {
  const std::string text = Printed("%.2f GB/s", figures.bytes_per_s / 1e9);
  if (!figures.remote || figures.bytes_per_s >= kLeastRemoteBytesPerS) {
    return {"pair.bandwidth", Level::kOk, text, ""};
  }
  return {"pair.bandwidth", Level::kNote, text,
          "splitting will seldom pay over this: use RDMA, or keep prefill and decode on one host; "
          "transport.required refuses less"};
}

Finding ExaminePath(const PairFigures& figures) {
  const auto& kinds = figures.path.kinds;
  const bool shared =
      std::find(kinds.begin(), kinds.end(), transport::PathKind::kSharedMemory) != kinds.end();
  if (figures.remote || shared) return {"pair.path", Level::kOk, figures.path.text, ""};
  return {"pair.path", Level::kNote, figures.path.text + ", between processes of one host",
          "shared memory is faster: let both see one /dev/shm, IPC and PID namespace, and check "
          "transport.tls"};
}

}  // namespace

const char* LevelName(Level level) {
  return level == Level::kOk ? "ok" : level == Level::kNote ? "note" : "problem";
}

std::vector<Finding> ExamineHost(const HostFacts& facts, const Wanted& wanted) {
  std::vector<Finding> findings = {{"host", Level::kOk, facts.system, ""},
                                   ExamineCores(facts, wanted),
                                   ExamineMemory(facts, wanted),
                                   ExamineSharedMemory(facts, wanted),
                                   ExamineHugePages(facts),
                                   ExamineLockedMemory(facts, wanted),
                                   ExamineOpenFiles(facts, wanted),
                                   ExamineClock(facts),
                                   ExamineRdma(facts)};
  for (const NetworkInterface& each : facts.interfaces) findings.push_back(ExamineInterface(each));
  return findings;
}

std::vector<Finding> ExamineGpus(const device::DeviceList& devices, std::string_view no_kernels,
                                 const Wanted& wanted) {
  std::vector<Finding> findings;
  const char* const advice = "set workers.*.device to a device that is listed here";
  for (const int32_t gpu : wanted.gpus) {
    const std::string id = "cuda:" + std::to_string(gpu);
    const bool there = std::any_of(devices.devices.begin(), devices.devices.end(),
                                   [&](const device::DeviceInfo& info) { return info.id == id; });
    if (!there) {
      findings.push_back({"wanted." + id, Level::kProblem,
                          devices.no_cuda.empty() ? "not there" : devices.no_cuda, advice});
    } else if (!no_kernels.empty()) {
      findings.push_back({"wanted." + id, Level::kProblem, std::string(no_kernels), advice});
    }
  }
  return findings;
}

std::vector<Finding> ExaminePair(const PairFigures& figures) {
  std::vector<Finding> findings = {
      ExaminePath(figures),
      ExamineBandwidth(figures),
      {"pair.latency", Level::kOk, Printed("%.1f us there and back", figures.round_trip_s * 1e6),
       ""}};
  if (!figures.remote) return findings;
  const std::string offset = Printed("%+.3f ms", figures.clock_offset_s * 1e3);
  const bool near = std::abs(figures.clock_offset_s) <= kMostClockOffsetS;
  findings.push_back({"pair.clock", near ? Level::kOk : Level::kNote, offset,
                      near ? "" : "let both hosts keep the time by NTP or PTP"});
  return findings;
}

bool Healthy(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& finding) { return finding.level == Level::kProblem; });
}

std::string RenderText(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings) {
    std::string line = finding.about;
    line.resize(std::max<size_t>(line.size() + 1, 16), ' ');
    if (finding.level != Level::kOk) line += LevelName(finding.level) + std::string(": ");
    out += line + finding.text + "\n";
    if (!finding.advice.empty()) out += std::string(16, ' ') + "-> " + finding.advice + "\n";
  }
  return out;
}

std::string RenderJson(const std::vector<Finding>& findings) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"about", finding.about},
                    {"level", LevelName(finding.level)},
                    {"text", finding.text},
                    {"advice", finding.advice}});
  }
  return nlohmann::ordered_json{{"healthy", Healthy(findings)}, {"findings", list}}.dump(2) + "\n";
}

}  // namespace baton::app
