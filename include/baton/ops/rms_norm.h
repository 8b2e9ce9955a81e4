#pragma once

#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// With a residual: residual += x (when x is given), y = norm(residual). Without: y = norm(x), and
/// y may be x. norm(a) = a / sqrt(mean(a^2) + eps) * (w + w_offset).
/// Shapes: residual, x, y [T, E]; w [E]. T = 0 is a no-op. On CUDA devices E of at most 32,768, or
/// 8,192 where it is no multiple of 8.
/// Types: residual float32; x, y of `activation`: float32 on the CPU, bfloat16 on CUDA devices; w
/// as in the checkpoint, on CUDA devices bfloat16. Layout: row-major without gaps; on CUDA devices
/// aligned to 16 bytes where E is a multiple of 8. Errors: none; the contract is checked
/// (BATON_CHECK) once per call. Stream: enqueues only; allocates nothing; graph-safe. Cost:
/// residual read and written, x read, y written: 12 T E bytes with x in bfloat16; bound by memory.
/// Accuracy: the sum of squares is float32 in an order that depends on E only, so that a row's bits
/// do not depend on T; y is rounded once.
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
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
