#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "baton/kv/kv_geometry.h"
#include "baton/ops/paged_kv.h"

namespace baton::kv {

/// The KV of all blocks of one rank: a view of memory that somebody else owns (the transport, so
/// that peers can write it). *Threads*: immutable; what it points at belongs to whoever holds the
/// block.
class KvCache {
 public:
  /// Uses as many blocks as fit. Fails with InvalidArgument when not one does, when the memory is
  /// not aligned for its elements, or when the geometry is not positive.
  static Result<KvCache> Create(const KvGeometry& geometry, std::span<std::byte> memory);

  const KvGeometry& geometry() const { return geometry_; }
  int32_t blocks() const { return blocks_; }
  std::span<std::byte> memory() const { return memory_; }

  /// One layer, as the operations take it.
  ops::PagedKv Layer(int32_t layer) const;
  /// All layers of one block.
  std::span<std::byte> Block(BlockId block) const;

 private:
  KvCache(const KvGeometry& geometry, int32_t blocks, std::span<std::byte> memory)
      : geometry_(geometry), blocks_(blocks), memory_(memory) {}

  KvGeometry geometry_;
  int32_t blocks_ = 0;
  std::span<std::byte> memory_;
};

}  // namespace baton::kv
