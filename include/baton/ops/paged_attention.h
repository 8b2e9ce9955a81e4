#pragma once

#include "baton/ops/paged_kv.h"

namespace baton::ops {

/// Causal attention of the step's queries over the paged cache:
/// y[t][h] = sum_j softmax_j(scale * q[t][h] . K[j][h / (H / G)]) V[j][h / (H / G)],
/// with scores s of scale * q . k taken as softcap * tanh(s / softcap) where softcap > 0,
/// over positions j <= position(t), and j > position(t) - window where window > 0.
/// Shapes: q [T, H, D], y [T, H, D], the batch and the cache as in ops/paged_kv.h; H a multiple of
/// G; on CUDA devices D of 32, 64, 96, 128 or 256 and P a power of two. T = 0 is a no-op. Rows
/// beyond the last sequence's are not written. Types: q, y of `activation`: float32 on the CPU,
/// bfloat16 on CUDA devices; cache float32, float16 or bfloat16, widened exactly, or, on the CPU,
/// int8, multiplied by its scale; on CUDA devices bfloat16. Layout: rows of q q_stride elements
/// apart, y without gaps; on CUDA devices q, y and the cache aligned to 16 bytes, as are the
/// strides. Errors: none; the contract is checked (BATON_CHECK) once per call. REQUIRES: the plan
/// is of this batch, and the scratch of its size, where the table has such. Stream: enqueues only;
/// allocates nothing; graph-safe: launches depend on S, T and the table's stride, not on lengths.
/// Cost: 4 D FLOPs for each query head and (query, position) pair; of a decode each key and value
/// read once, so that it is bound by memory; of a long chunk bound by products.
/// Accuracy: sums in float32; on CUDA devices probabilities rounded to bfloat16, at most twice the
/// error of a plain kernel that does so. Positions are taken in tiles aligned to absolute position,
/// so that a row's bits do not depend on chunking, on its neighbours, on block placement or on the
/// number of threads.
/// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Kwon et al.,
/// "Efficient Memory Management for LLM Serving with PagedAttention", 2023.
struct PagedAttentionParams {
  const void* q = nullptr;
  void* y = nullptr;
  DType activation = DType::kFloat32;
  int64_t q_stride = 0;
  int32_t H = 0;
  float scale = 0;
  int32_t window = 0;
  float softcap = 0;
  PagedBatch batch;
  PagedKv kv;
};

}  // namespace baton::ops
