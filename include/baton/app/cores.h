#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "baton/base/status.h"

namespace baton::app {

/// Cores that this process may use: its affinity, cut by the quota of its control group.
int32_t AvailableCores();

/// Threads for each of `workers` on `cores`: an equal part, at least 1.
int32_t ThreadsPerWorker(int32_t cores, int32_t workers);

/// The part of `cores` for worker `index` of `count`: contiguous, sizes differ by at most one.
/// REQUIRES: cores.size() >= count > index >= 0.
std::vector<int32_t> CoresOfWorker(const std::vector<int32_t>& cores, int32_t index, int32_t count);

/// "0,1,5", as `--cores` takes it.
std::string FormatCores(const std::vector<int32_t>& cores);

}  // namespace baton::app
