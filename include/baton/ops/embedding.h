#pragma once

#include <cstdint>

#include "baton/base/dtype.h"
#include "baton/base/ids.h"

namespace baton::ops {

/// y[t] = scale * table[tokens[t]], widened to float32.
/// Shapes: tokens [T], table [V, E], y [T, E]. REQUIRES: 0 <= tokens[t] < V.
struct EmbeddingParams {
  const TokenId* tokens = nullptr;
  const void* table = nullptr;
  float* y = nullptr;
  DType table_dtype = DType::kBFloat16;
  int64_t T = 0;
  int64_t V = 0;
  int64_t E = 0;
  float scale = 1;
};

}  // namespace baton::ops
