#pragma once

#include "baton/ops/paged_kv.h"

namespace baton::ops {

/// Causal attention of the step's queries over the paged cache:
/// y[t][h] = sum_j softmax_j(scale * q[t][h] . K[j][h / (H / G)]) V[j][h / (H / G)],
/// with scores s of scale * q . k taken as softcap * tanh(s / softcap) where softcap > 0,
/// over positions j <= position(t), and j > position(t) - window where window > 0.
/// Shapes: q [T, H, D] with row stride, y [T, H, D] contiguous. REQUIRES: H % G == 0.
/// Types: q, y of `activation`; cache float32, float16 or bfloat16, widened exactly, or, on
/// the CPU, int8, multiplied by its scale.
/// Accuracy: positions are taken in tiles aligned to absolute position, so that a row's bits do not
/// depend on chunking, on its neighbours, on block placement or on the number of threads.
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
