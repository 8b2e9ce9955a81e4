#pragma once

#include <cstdint>

namespace baton::ops {

/// x = cap * tanh(x / cap), in place.
/// Shapes: x [T, F]. T = 0 is a no-op.
/// Types: float32.
/// Layout: row-major without gaps, any alignment; faster on CUDA devices where T F is a multiple of
/// 8 and x is aligned to 16 bytes.
/// Errors: none; the contract is checked (BATON_CHECK) once per call. REQUIRES: cap > 0.
/// Stream: enqueues only; allocates nothing; graph-safe.
/// Cost: x read and written; bound by memory.
/// Accuracy: within cap * 2^-22 of the exact value.
/// Source: Gemma Team, "Gemma 2", 2024, section 2.
struct SoftCapParams {
  float* x = nullptr;
  float cap = 0;
  int64_t T = 0;
  int64_t F = 0;
};

}  // namespace baton::ops
