#pragma once

#include <cstdint>

#include "baton/base/dtype.h"
#include "baton/base/ids.h"
#include "baton/ops/linear.h"

namespace baton::ops {

/// y[t] = scale * table[tokens[t]], widened to float32.
/// Shapes: tokens [T], table [V, E], y [T, E]. T = 0 is a no-op.
/// Types: table float32, float16 or bfloat16, on CUDA devices bfloat16; y float32.
/// Layout: row-major without gaps; aligned as their elements are, faster on CUDA devices where E is
/// a multiple of 8 and table and y are aligned to 16 bytes. Or the table as Ops::pack_linear of the
/// same table of operations wrote it, with N = V and K = E, where that keeps its weights; a row is
/// then spread over E cache lines or half as many.
/// Errors: none; sizes and types are checked (BATON_CHECK) once per call. REQUIRES: 0 <= tokens[t]
/// < V, which only the CPU checks.
/// Stream: enqueues only; allocates nothing; graph-safe.
/// Cost: T E elements read, as many float32 written; bound by memory.
/// Accuracy: one float32 product of each element; exact where scale is 1.
/// Source: Hugging Face's nn.Embedding; the scale is that of Gemma's models.
struct EmbeddingParams {
  const TokenId* tokens = nullptr;
  const void* table = nullptr;
  float* y = nullptr;
  DType table_dtype = DType::kBFloat16;
  Packing table_packing = Packing::kNone;
  int64_t T = 0;
  int64_t V = 0;
  int64_t E = 0;
  float scale = 1;
};

}  // namespace baton::ops
