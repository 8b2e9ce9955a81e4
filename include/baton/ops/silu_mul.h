#pragma once

#include <cstdint>

namespace baton::ops {

/// y = silu(gate) * up, with silu(a) = a / (1 + exp(-a)). y may alias gate or up.
/// Shapes: gate, up, y [T, F], row strides in elements. Types: float32.
struct SiluMulParams {
  const float* gate = nullptr;
  const float* up = nullptr;
  float* y = nullptr;
  int64_t T = 0;
  int64_t F = 0;
  int64_t in_stride = 0;
  int64_t y_stride = 0;
};

}  // namespace baton::ops
