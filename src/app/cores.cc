#include "baton/app/cores.h"

#include <algorithm>
#include <fstream>

#include <sched.h>

#include "baton/base/check.h"

namespace baton::app {
namespace {

/// Cores that cpu.max of the control group allows, rounded up; 0 where there is no limit.
int32_t QuotaCores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  int64_t quota = 0;
  int64_t period = 0;
  // "max 100000" fails to parse, as it should: no limit.
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int32_t>((quota + period - 1) / period);
}

}  // namespace

int32_t AvailableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int32_t cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  const int32_t quota = QuotaCores();
  return std::max(1, quota > 0 ? std::min(cores, quota) : cores);
}

int32_t ThreadsPerWorker(int32_t cores, int32_t workers) {
  return std::max(1, cores / std::max(1, workers));
}

std::vector<int32_t> CoresOfWorker(const std::vector<int32_t>& cores, int32_t index,
                                   int32_t count) {
  const int64_t total = static_cast<int64_t>(cores.size());
  BATON_CHECK(index >= 0 && index < count && total >= count);
  return {cores.begin() + total * index / count, cores.begin() + total * (index + 1) / count};
}

std::string FormatCores(const std::vector<int32_t>& cores) {
  std::string text;
  for (const int32_t core : cores) text += (text.empty() ? "" : ",") + std::to_string(core);
  return text;
}

}  // namespace baton::app
