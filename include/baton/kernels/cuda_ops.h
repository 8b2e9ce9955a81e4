#pragma once

#include <string_view>

#include "baton/ops/ops.h"

namespace baton::kernels {

/// The operations for CUDA devices of compute capability 9.0, on streams that are CudaStreams.
/// REQUIRES: WhyNoCudaOps() is empty.
const ops::Ops& CudaOps();

/// Why this build has no kernels for CUDA, for a person to read; empty where it has.
std::string_view WhyNoCudaOps();

}  // namespace baton::kernels
