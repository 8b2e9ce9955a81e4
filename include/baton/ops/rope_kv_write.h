#pragma once

#include "baton/ops/paged_kv.h"

namespace baton::ops {

/// Rotates q and k in place by their positions, then writes k and v into the paged cache, rounded
/// to its type. The rotation pairs element i with i + R/2 ("rotate half", as in Hugging Face) for i
/// < R/2; elements from R on stay as they are. Shapes: q [T, H, D], k, v [T, G, D] with row strides
/// in elements (they may be columns of one matrix); inv_freq [R/2], radians per position;
/// attention_scale multiplies cos and sin (1 but for scaled RoPE variants). The position of a row
/// follows from the batch: kv_tokens - rows + i. Types: q, k, v of `activation`; cache float32,
/// float16, bfloat16 or, on the CPU, int8 with a scale for each row, by which its largest element
/// becomes 127; rounded to nearest, ties to even, k once only. Accuracy: the angle is
/// the float32 product of position and inv_freq, as in Hugging Face; cosine and sine of it are
/// exact to a unit in the last place. REQUIRES: R even, 0 < R <= D. Rows of different sequences
/// never share a position of a block. Source: Su et al., "RoFormer", 2021.
struct RopeKvWriteParams {
  void* q = nullptr;
  void* k = nullptr;
  const void* v = nullptr;
  DType activation = DType::kFloat32;
  int64_t q_stride = 0;
  int64_t kv_stride = 0;
  const float* inv_freq = nullptr;
  float attention_scale = 1.0f;
  int32_t H = 0;
  int32_t R = 0;
  PagedBatch batch;
  PagedKv kv;
};

}  // namespace baton::ops
