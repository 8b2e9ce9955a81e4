#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "baton/app/commands.h"
#include "baton/app/cores.h"
#include "baton/app/model_folder.h"
#include "baton/base/units.h"
#include "baton/device/devices.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/model/model_config.h"
#include "baton/transport/ucx.h"

namespace baton::app {
namespace {

/// Prints findings line by line and remembers whether one is a problem.
class Report {
 public:
  void Fact(const char* what, const std::string& text) {
    std::printf("%-10s %s\n", what, text.c_str());
  }
  void Problem(const char* what, const std::string& text) {
    Fact(what, "PROBLEM: " + text);
    healthy_ = false;
  }
  bool healthy() const { return healthy_; }

 private:
  bool healthy_ = true;
};

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// A line of /proc/meminfo in bytes.
int64_t MemoryInfo(const std::string& name) {
  std::ifstream file("/proc/meminfo");
  std::string key;
  int64_t kib = 0;
  std::string rest;
  while (file >> key >> kib && std::getline(file, rest)) {
    if (key == name + ":") return rest.find("kB") == std::string::npos ? kib : kib * kKiB;
  }
  return 0;
}

void ReportHost(Report& report) {
  utsname system{};
  uname(&system);
  const int32_t cores = AvailableCores();
  report.Fact("host", std::string(system.sysname) + " " + system.release + " " + system.machine +
                          ", " + std::to_string(cores) + (cores == 1 ? " core" : " cores"));
  report.Fact("memory", FormatBytes(MemoryInfo("MemTotal")) + ", " +
                            FormatBytes(MemoryInfo("MemAvailable")) + " available, " +
                            std::to_string(MemoryInfo("HugePages_Free")) + " huge pages free");
}

void ReportDevices(Report& report) {
  const device::DeviceList list = device::Devices();
  for (const device::DeviceInfo& info : list.devices) {
    report.Fact("device", info.id + ": " + info.name + ", " + std::to_string(info.cores) +
                              " cores, " + FormatBytes(info.memory_bytes) + ", " +
                              Join(info.features));
  }
  if (!list.no_cuda.empty()) report.Fact("cuda", "none: " + list.no_cuda);
  report.Fact("cpu", "kernels for " + Join(kernels::CpuInstructionSets()) + "; the first is used");
}

/// KV pools lie in shared memory, which UCX maps between workers of one host.
void ReportSharedMemory(Report& report) {
  struct statvfs info {};
  if (statvfs("/dev/shm", &info) != 0) {
    report.Problem("shm", "no /dev/shm: workers of this host cannot share memory");
    return;
  }
  const int64_t block = static_cast<int64_t>(info.f_frsize);
  report.Fact("shm", FormatBytes(block * static_cast<int64_t>(info.f_bavail)) + " free of " +
                         FormatBytes(block * static_cast<int64_t>(info.f_blocks)) + " in /dev/shm");
}

void ReportTransport(Report& report, const std::string& tls) {
  const auto transport = transport::MakeUcxTransport({.transports = tls});
  if (!transport.ok()) {
    report.Problem("transport", transport.status().message());
    return;
  }
  const auto region = (*transport)->AllocateRegion(static_cast<size_t>(kMiB));
  if (!region.ok()) {
    report.Problem("transport", "ucx cannot register memory: " + region.status().message());
    return;
  }
  report.Fact("transport", "ucx, " + (tls.empty() ? "all transports that it finds" : tls));
}

void ReportModel(Report& report, const std::string& folder) {
  const Status files = CheckModelFolder(folder);
  if (!files.ok()) return report.Problem("model", files.message());
  const Result<model::ModelConfig> config = model::ModelConfig::Load(folder);
  if (!config.ok()) return report.Problem("model", config.status().message());
  report.Fact("model", folder + ": " + config->architecture + ", " +
                           std::to_string(config->layers) + " layers, context " +
                           std::to_string(config->context_tokens));
}

}  // namespace

int RunDoctor(const CommandLine& command) {
  Report report;
  report.Fact("baton", BATON_VERSION);
  ReportHost(report);
  ReportDevices(report);
  ReportSharedMemory(report);
  const bool asked = !command.sources.file.empty() || !command.sources.command_line.empty();
  const Result<config::Loaded> loaded = config::LoadConfig(command.sources);
  ReportTransport(report, loaded.ok() ? loaded->config.transport.tls : "");
  if (loaded.ok()) {
    report.Fact("config", command.sources.file.empty() ? "fine" : command.sources.file + ": fine");
    ReportModel(report, loaded->config.model);
  } else if (asked) {
    report.Problem("config", loaded.status().message());
  } else {
    report.Fact("config", "none given; --config FILE or --model FOLDER checks one");
  }
  return report.healthy() ? kExitOk : kExitFailure;
}

}  // namespace baton::app
