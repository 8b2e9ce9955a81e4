#pragma once

#include "baton/ops/paged_kv.h"

namespace baton::ops {

/// Rotates q and k in place by their positions, then writes k and v into the paged cache, rounded
/// to its type. The rotation pairs element i with i + R/2 ("rotate half", as in Hugging Face) for i
/// < R/2; elements from R on stay as they are. attention_scale multiplies cos and sin (1 but for
/// scaled RoPE variants). The position of a row follows from the batch: kv_tokens - rows + i.
/// Shapes: q [T, H, D]; k, v [T, G, D]; inv_freq [R/2], radians per position; the batch and the
/// cache as in ops/paged_kv.h. T = 0 is a no-op. Rows beyond the last sequence's are left alone.
/// Types: q, k, v of `activation`: float32 on the CPU, bfloat16 on CUDA devices; cache float32,
/// float16, bfloat16 or, on the CPU, int8 with a scale for each row, by which its largest element
/// becomes 127; on CUDA devices bfloat16.
/// Layout: row strides in elements (q, k and v may be columns of one matrix); aligned as their
/// elements are, faster on CUDA devices where D and the strides are multiples of 8, R of 16, and
/// all is aligned to 16 bytes. Errors: none; the contract is checked (BATON_CHECK) once per call.
/// REQUIRES: R even, 0 < R <= D, on CUDA devices R <= 512. Rows of different sequences never share
/// a position of a block. Stream: enqueues only; allocates nothing; graph-safe. Cost: q and k read
/// and written, v read, k and v written to the cache: 2 T D (2 H + 5 G) bytes in bfloat16; bound by
/// memory. Accuracy: the angle is the float32 product of position and inv_freq, as in Hugging Face;
/// cosine and sine of it are exact to a unit in the last place; rounded to nearest, ties to even, k
/// once only. Source: Su et al., "RoFormer", 2021.
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
