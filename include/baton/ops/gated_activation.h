#pragma once

#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// y = activation(gate) * up. y may alias gate or up. The activations:
/// silu(a) = a / (1 + exp(-a));
/// gelu(a) = a / 2 (1 + tanh(sqrt(2 / pi) (a + 0.044715 a^3))). Source: Hendrycks and Gimpel,
/// "Gaussian Error Linear Units", 2016, the approximation by tanh.
/// Shapes: gate, up, y [T, F], row strides in elements. Types: `activation`.
struct GatedActivationParams {
  const void* gate = nullptr;
  const void* up = nullptr;
  void* y = nullptr;
  DType activation = DType::kFloat32;
  int64_t T = 0;
  int64_t F = 0;
  int64_t in_stride = 0;
  int64_t y_stride = 0;
};

}  // namespace baton::ops
