#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "baton/base/dtype.h"
#include "baton/base/status.h"
#include "baton/ops/paged_kv.h"

namespace baton::kv {

/// The shape of a worker's KV cache. Its tensor-parallel ranks share the KV heads; each has a pool
/// of its own with the same block ids. A rank's block is laid out
/// [layer][K|V][kv_head][token][dim], so that all layers of a block are one run of bytes, and so is
/// each group of neighbouring layers.
struct KvGeometry {
  int32_t layers = 0;
  /// G, of all ranks together.
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int32_t block_tokens = 16;
  DType dtype = DType::kBFloat16;
  /// Divides kv_heads, or is a multiple: then several neighbouring ranks hold the same head.
  int32_t tp_size = 1;
  int32_t layout_version = 1;

  int32_t rank_kv_heads() const { return std::max(1, kv_heads / tp_size); }
  /// A rank holds this head and those that follow, rank_kv_heads() in all.
  int32_t first_kv_head(int32_t rank) const {
    return static_cast<int32_t>(int64_t{rank} * kv_heads / tp_size);
  }

  /// K (or V) of one token and head, with its scale where the elements are int8.
  int64_t row_bytes() const { return ops::KvRowBytes(dtype, head_dim); }
  /// The rest are of one rank. K (or V) of one head of a block.
  int64_t head_bytes() const { return block_tokens * row_bytes(); }
  /// K (or V) of one layer of a block.
  int64_t plane_bytes() const { return rank_kv_heads() * head_bytes(); }
  int64_t layer_bytes() const { return 2 * plane_bytes(); }
  int64_t block_bytes() const { return layers * layer_bytes(); }

  bool operator==(const KvGeometry&) const = default;
};

inline constexpr int32_t kMaxTpSize = 64;

/// OK when KV can be copied between `ours` and `theirs`: block tokens may differ when one divides
/// the other, and the number of ranks. Fails with FailedPrecondition naming the first field that
/// does not fit and both values.
Status CheckCompatible(const KvGeometry& ours, const KvGeometry& theirs);

}  // namespace baton::kv
