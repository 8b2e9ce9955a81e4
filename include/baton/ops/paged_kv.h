#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// Bytes of K or V of one token and head. Behind the elements of an int8 row lies its scale, a
/// float32 at any alignment: element d stands for its number times that.
constexpr int64_t KvRowBytes(DType dtype, int64_t D) {
  return D * static_cast<int64_t>(DTypeBytes(dtype)) +
         (dtype == DType::kInt8 ? static_cast<int64_t>(sizeof(float)) : 0);
}

/// One layer of the paged KV cache. Row [block][K|V][g][p] of this layer lies at
/// base + block * block_stride + (v ? v_offset : 0) + (g * P + p) * row_bytes().
struct PagedKv {
  /// The layer's K of block 0.
  std::byte* base = nullptr;
  /// Bytes from a block to the next, all layers included.
  int64_t block_stride = 0;
  /// Bytes from a layer's K to its V within a block.
  int64_t v_offset = 0;
  DType dtype = DType::kBFloat16;
  int32_t G = 0;  ///< KV heads.
  int32_t P = 0;  ///< Tokens per block.
  int32_t D = 0;  ///< Head dimension.

  int64_t row_bytes() const { return KvRowBytes(dtype, D); }
};

/// The sequences of one step, flattened. Query tokens of sequence s are rows
/// [query_begin[s], query_begin[s + 1]) of the step's T rows; they are the last tokens of its
/// first kv_tokens[s] positions. A sequence may have none. Rows from query_begin[S] on are
/// nobody's: they make a batch one of the sizes that are prepared for, and neither they nor KV are
/// written.
struct PagedBatch {
  const int32_t* query_begin = nullptr;   ///< [S + 1]
  const int32_t* kv_tokens = nullptr;     ///< [S], this step's tokens included.
  const int32_t* block_tables = nullptr;  ///< [S, table_stride]; block of position p: entry p / P.
  const std::byte* plan = nullptr;        ///< What Ops::plan wrote for this batch.
  std::byte* scratch = nullptr;           ///< Of Ops::attention_scratch_bytes; all layers share it.
  int64_t table_stride = 0;
  int32_t S = 0;
  int32_t T = 0;
};

}  // namespace baton::ops
