#pragma once

#include <vector>

#include "baton/base/status.h"

namespace baton::device {

/// Lets kernels on each of these CUDA devices read and write the memory of all others. Fails with
/// Unavailable, naming two that do not reach each other.
Status LetReachEachOther(const std::vector<int>& devices);

}  // namespace baton::device
