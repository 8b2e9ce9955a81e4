#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "baton/base/status.h"
#include "baton/device/cuda_stream.h"

namespace baton::device {

/// How the multiprocessors of a GPU are dealt to two users. A driver deals them in groups of one
/// size (8 on compute capability 9.0), which leave a rest.
struct SmSplit {
  /// Groups of each.
  std::array<int32_t, 2> groups{};
  /// Whether the second also gets the rest.
  bool second_has_rest = false;
};

struct SmSplitProblem {
  int32_t multiprocessors = 0;
  int32_t group_size = 0;
  /// Whole groups that there are.
  int32_t groups = 0;
  /// Of the multiprocessors, of each user.
  std::array<int32_t, 2> percent{};
};

/// As near to the percentages as groups allow, and at least one group for each; where they sum to
/// 100 nothing is left over. Fails with InvalidArgument where there are less than two groups, or
/// the percentages are below 1 or sum to more than 100.
Result<SmSplit> PlanSmSplit(const SmSplitProblem& problem);

/// A stream on each part of a device that is split by percentages, by CUDA's green contexts: the
/// kernels of one never run on the multiprocessors of the other. Memory is the device's own, for
/// both. Fails with Unavailable, saying why there is none, and as PlanSmSplit does.
Result<std::array<std::unique_ptr<CudaStream>, 2>> OpenSplitCudaStreams(
    int device, std::array<int32_t, 2> percent);

}  // namespace baton::device
