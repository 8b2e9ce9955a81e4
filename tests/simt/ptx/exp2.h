#pragma once

#include <cmath>

/// The twin of kernels/cuda/ptx/exp2.h.
namespace baton::kernels::cuda::ptx {

inline float Exp2(float x) { return std::exp2(x); }

}  // namespace baton::kernels::cuda::ptx
