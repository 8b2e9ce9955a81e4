#pragma once

#include <cstdint>
#include <string>

#include "baton/base/dtype.h"
#include "baton/base/status.h"

namespace baton::kv {

/// The shape of a KV cache. A block is laid out [layer][K|V][kv_head][token][dim], so that all
/// layers of a block are one run of bytes, and so is each group of neighbouring layers.
struct KvGeometry {
  int32_t layers = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int32_t block_tokens = 16;
  DType dtype = DType::kBFloat16;
  int32_t tp_rank = 0;
  int32_t tp_size = 1;
  int32_t layout_version = 1;

  /// Bytes of K (or of V) of one layer of a block.
  int64_t plane_bytes() const {
    return int64_t{kv_heads} * block_tokens * head_dim * static_cast<int64_t>(DTypeBytes(dtype));
  }
  int64_t layer_bytes() const { return 2 * plane_bytes(); }
  int64_t block_bytes() const { return layers * layer_bytes(); }

  bool operator==(const KvGeometry&) const = default;
};

/// OK when KV blocks of `ours` and `theirs` can be exchanged. Fails with FailedPrecondition naming
/// the first field that differs and both values.
Status CheckCompatible(const KvGeometry& ours, const KvGeometry& theirs);

}  // namespace baton::kv
