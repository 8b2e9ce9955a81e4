#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::ops {

/// y[i] = x[rows[i]]: of a step's rows those that logits are wanted of.
/// Shapes: x [., row_bytes], y [T, row_bytes], rows [T]; a row may be taken more than once. T = 0
/// is a no-op. Types: whole rows of any, bytes as they are. Layout: row-major without gaps, any
/// alignment; on CUDA devices sixteen times faster where row_bytes is a multiple of 16 and x and y
/// are aligned to 16. Errors: none; sizes are checked (BATON_CHECK) once per call. REQUIRES: x and
/// y do not overlap; rows[i] is a row of x, which nobody checks. Stream: enqueues only; allocates
/// nothing; graph-safe. Cost: T row_bytes read and written; bound by memory. Accuracy: exact.
/// Source: none; a copy.
struct GatherRowsParams {
  const void* x = nullptr;
  const int32_t* rows = nullptr;
  void* y = nullptr;
  int64_t T = 0;
  int64_t row_bytes = 0;
};

}  // namespace baton::ops
