#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/block_pool.h"

namespace baton::kv {

/// A prefix that the index knows: all tokens up to the end of one block. Never reused.
enum class PrefixNode : uint64_t {};
/// The empty prefix.
inline constexpr PrefixNode kPrefixRoot{0};

struct PrefixMatch {
  std::vector<BlockId> blocks;
  PrefixNode tail = kPrefixRoot;
};

/// Which block holds the KV of which prefix. A node is a parent node plus one block of tokens;
/// tokens are compared, not only their hashes, so that a collision cannot give wrong KV.
/// *Threads*: lives on the engine thread.
/// *Invariants*: names only used and cached blocks; forgets a block when the pool evicts it. A node
/// whose parent was forgotten is unreachable and goes when its own block is evicted.
class PrefixIndex {
 public:
  /// `pool` outlives the index, which registers itself for its evictions.
  PrefixIndex(BlockPool& pool, int32_t block_tokens);

  /// The longest known prefix of `tokens` in whole blocks. Takes no shares.
  PrefixMatch Lookup(std::span<const TokenId> tokens, uint64_t salt) const;

  /// `block` holds the computed KV of `tokens` (one block of them) behind `parent`. Where another
  /// block holds the same already, that one stays. Returns the prefix's node.
  /// REQUIRES: block is used.
  PrefixNode Insert(PrefixNode parent, std::span<const TokenId> tokens, uint64_t salt,
                    BlockId block);

  /// Named blocks.
  int32_t size() const { return size_; }

 private:
  struct Entry {
    PrefixNode node = kPrefixRoot;
    PrefixNode parent = kPrefixRoot;
    uint64_t salt = 0;
    size_t bucket = 0;
    /// The next block in the same bucket.
    int32_t next = -1;
  };

  size_t Bucket(PrefixNode parent, std::span<const TokenId> tokens, uint64_t salt) const;
  int32_t Find(size_t bucket, PrefixNode parent, std::span<const TokenId> tokens,
               uint64_t salt) const;
  void Forget(BlockId block);

  BlockPool& pool_;
  const size_t block_tokens_;
  const uint64_t hash_seed_;
  std::vector<Entry> entries_;    ///< By block.
  std::vector<TokenId> tokens_;   ///< [block][block_tokens].
  std::vector<int32_t> buckets_;  ///< First block of each, or -1; a power of two of them.
  uint64_t last_node_ = 0;
  int32_t size_ = 0;
};

}  // namespace baton::kv
