#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "baton/device/devices.h"
#include "host_facts.h"
#include "pair_figures.h"

namespace baton::app {

/// How much a finding matters: nothing to do; could be better; will not work.
enum class Level : uint8_t { kOk, kNote, kProblem };
/// "ok", "note", "problem".
const char* LevelName(Level level);

struct Finding {
  /// What it is about, e.g. "shm": stable, for scripts.
  std::string about;
  Level level = Level::kOk;
  std::string text;
  /// What to do about it; empty where there is nothing to do.
  std::string advice;
};

/// What a configuration wants of its host; zero where none is known.
struct Wanted {
  int32_t workers = 0;
  /// Of all workers.
  int32_t threads = 0;
  /// On the host.
  int64_t kv_bytes = 0;
  int32_t connections = 0;
  /// Their numbers, ascending.
  std::vector<int32_t> gpus;
};

std::vector<Finding> ExamineHost(const HostFacts& facts, const Wanted& wanted);
/// Whether the GPUs are there that are wanted. `no_kernels`: why this build has none for them, or
/// empty.
std::vector<Finding> ExamineGpus(const device::DeviceList& devices, std::string_view no_kernels,
                                 const Wanted& wanted);
std::vector<Finding> ExaminePair(const PairFigures& figures);

bool Healthy(const std::vector<Finding>& findings);
/// Lines for a person.
std::string RenderText(const std::vector<Finding>& findings);
/// {"healthy": true, "findings": [{"about", "level", "text", "advice"}]}
std::string RenderJson(const std::vector<Finding>& findings);

}  // namespace baton::app
