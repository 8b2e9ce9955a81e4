#pragma once

#include <cstdint>

namespace baton::ops {

/// x = cap * tanh(x / cap), in place. Shapes: x [T, F], contiguous. Types: float32.
/// REQUIRES: cap > 0. Accuracy: within cap * 2^-22 of the exact value.
struct SoftCapParams {
  float* x = nullptr;
  float cap = 0;
  int64_t T = 0;
  int64_t F = 0;
};

}  // namespace baton::ops
