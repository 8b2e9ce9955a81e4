#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/block_pool.h"

namespace baton::kv {

/// The blocks of one sequence, in order of position; holds one share of each.
/// *Threads*: lives on the engine thread. *Ownership*: whoever filled the table empties it into
/// the same pool before it goes.
class BlockTable {
 public:
  BlockTable() = default;
  explicit BlockTable(int32_t block_tokens) : block_tokens_(block_tokens) {}

  /// Takes a share of blocks that the prefix index found. REQUIRES: empty.
  void Adopt(BlockPool& pool, std::span<const BlockId> prefix);
  /// Allocates until positions [0, tokens) have a block. False, and nothing changed, when the pool
  /// cannot.
  bool Grow(BlockPool& pool, int32_t tokens);
  /// Gives all shares back, the last block first, so that a prefix outlives what follows it.
  void Free(BlockPool& pool);
  /// Quarantines the blocks behind the first `shared` and gives the shares of those back.
  void Quarantine(BlockPool& pool, int32_t shared);
  /// Ends the quarantine of all blocks. REQUIRES: Quarantine() came before.
  void EndQuarantine(BlockPool& pool);

  const std::vector<BlockId>& blocks() const { return blocks_; }
  int32_t size() const { return static_cast<int32_t>(blocks_.size()); }

 private:
  int32_t block_tokens_ = 1;
  std::vector<BlockId> blocks_;
};

}  // namespace baton::kv
