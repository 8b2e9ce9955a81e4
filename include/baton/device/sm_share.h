#pragma once

#include <cstdint>

#include "baton/base/status.h"

namespace baton::device {

/// From now on this process's kernels use at most this percentage of a GPU's multiprocessors,
/// beside those of other processes, by CUDA's Multi-Process Service. Without that service processes
/// take turns, each with the whole GPU, and no share means anything. Fails with Unavailable where
/// its daemon does not run. REQUIRES: nothing of CUDA was called in this process before, and no
/// thread reads the environment.
Status LimitSmShare(int32_t percent);

}  // namespace baton::device
