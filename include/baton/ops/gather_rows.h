#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::ops {

/// y[i] = x[rows[i]], whole rows of any type.
/// Shapes: x [., row_bytes], y [T, row_bytes], rows [T]. REQUIRES: x and y do not overlap.
struct GatherRowsParams {
  const void* x = nullptr;
  const int32_t* rows = nullptr;
  void* y = nullptr;
  int64_t T = 0;
  int64_t row_bytes = 0;
};

}  // namespace baton::ops
