#pragma once

#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// With a residual: residual += x (when x is given), y = norm(residual). Without: y = norm(x), and
/// y may be x. norm(a) = a / sqrt(mean(a^2) + eps) * (w + w_offset). Shapes: residual, x, y [T, E];
/// w [E]. Types: residual float32; x, y of `activation`; w as in the checkpoint. Source: Zhang and
/// Sennrich, "Root Mean Square Layer Normalization", 2019.
struct RmsNormParams {
  float* residual = nullptr;
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  DType activation = DType::kFloat32;
  DType w_dtype = DType::kBFloat16;
  int64_t T = 0;
  int64_t E = 0;
  float eps = 1e-5f;
  /// 1 for weights that are stored as their distance from 1.
  float w_offset = 0;
};

}  // namespace baton::ops
