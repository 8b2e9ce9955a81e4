#pragma once

#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// residual += delta (when delta is given), then y = residual / sqrt(mean(residual^2) + eps) *
/// (w + w_offset).
/// Shapes: residual, delta, y [T, E]; w [E]; y may be residual, which normalizes in place. Types:
/// float32, w as in the checkpoint. Source: Zhang and Sennrich, "Root Mean Square Layer
/// Normalization", 2019.
struct RmsNormParams {
  float* residual = nullptr;
  const float* delta = nullptr;
  const void* w = nullptr;
  float* y = nullptr;
  DType w_dtype = DType::kBFloat16;
  int64_t T = 0;
  int64_t E = 0;
  float eps = 1e-5f;
  /// 1 for weights that are stored as their distance from 1.
  float w_offset = 0;
};

}  // namespace baton::ops
