#include "baton/kv/kv_cache.h"

#include <algorithm>
#include <limits>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::kv {

Result<KvCache> KvCache::Create(const KvGeometry& geometry, std::span<std::byte> memory) {
  if (geometry.layers <= 0 || geometry.kv_heads <= 0 || geometry.head_dim <= 0 ||
      geometry.block_tokens <= 0 || geometry.dtype == DType::kInt32) {
    return InvalidArgument("the KV geometry must have positive sizes and a type of KV");
  }
  if (reinterpret_cast<uintptr_t>(memory.data()) % alignof(float) != 0) {
    return InvalidArgument("KV memory must be aligned to 4 bytes");
  }
  const int64_t blocks = static_cast<int64_t>(memory.size()) / geometry.block_bytes();
  if (blocks < 1) {
    return InvalidArgument("KV memory of " + FormatBytes(static_cast<int64_t>(memory.size())) +
                           " is less than one block of " + FormatBytes(geometry.block_bytes()));
  }
  const int64_t most = std::numeric_limits<int32_t>::max() / 2;
  return KvCache(geometry, static_cast<int32_t>(std::min(blocks, most)), memory);
}

ops::PagedKv KvCache::Layer(int32_t layer) const {
  BATON_CHECK(layer >= 0 && layer < geometry_.layers);
  return {.base = memory_.data() + layer * geometry_.layer_bytes(),
          .block_stride = geometry_.block_bytes(),
          .v_offset = geometry_.plane_bytes(),
          .dtype = geometry_.dtype,
          .G = geometry_.rank_kv_heads(),
          .P = geometry_.block_tokens,
          .D = geometry_.head_dim};
}

std::span<std::byte> KvCache::Block(BlockId block) const {
  BATON_CHECK(Index(block) >= 0 && Index(block) < blocks_);
  const size_t bytes = static_cast<size_t>(geometry_.block_bytes());
  return memory_.subspan(static_cast<size_t>(Index(block)) * bytes, bytes);
}

}  // namespace baton::kv
