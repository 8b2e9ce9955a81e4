#pragma once

#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// y = activation(gate) * up. y may alias gate or up. The activations:
/// silu(a) = a / (1 + exp(-a));
/// gelu(a) = a / 2 (1 + tanh(sqrt(2 / pi) (a + 0.044715 a^3))).
/// Shapes: gate, up, y [T, F]. T = 0 is a no-op.
/// Types: `activation`: float32 on the CPU, bfloat16 on CUDA devices.
/// Layout: rows in_stride and y_stride elements apart, at least F; aligned as their elements are,
/// faster on CUDA devices where F and the strides are multiples of 8 and all is aligned to 16
/// bytes. Errors: none; the contract is checked (BATON_CHECK) once per call. Stream: enqueues only;
/// allocates nothing; graph-safe. Cost: 2 T F elements read, T F written; bound by memory.
/// Accuracy: in float32 with an exponential of a few units in the last place, then rounded once; an
/// element's bits depend on its own gate and up alone.
/// Source: Shazeer, "GLU Variants Improve Transformer", 2020; Hendrycks and Gimpel, "Gaussian Error
/// Linear Units", 2016, the approximation by tanh.
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
