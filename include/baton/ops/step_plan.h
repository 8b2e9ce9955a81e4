#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/ops/paged_kv.h"

namespace baton::ops {

/// What a model and the limits of its steps say about attention: the same for every step and layer.
struct PlanShape {
  int32_t H = 0;  ///< Query heads.
  int32_t G = 0;  ///< KV heads.
  int32_t D = 0;  ///< Head dimension.
  int32_t P = 0;  ///< Tokens per block.
  /// The most that a batch may have of rows, of sequences, and of positions in one sequence.
  int32_t step_tokens = 0;
  int32_t sequences = 0;
  int32_t context_tokens = 0;
  /// Of the stream that computes; 0: as many as such devices have. Sizes and results do not depend
  /// on it.
  int32_t multiprocessors = 0;
};

}  // namespace baton::ops
