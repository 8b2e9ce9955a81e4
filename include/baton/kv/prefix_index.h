#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/block_pool.h"
#include "baton/kv/prefix_key.h"

namespace baton::kv {

/// A prefix that the index knows, or knew: all tokens up to the end of one block.
struct PrefixNode {
  /// Never reused.
  uint64_t id = 0;
  /// The block that holds its end for as long as the index knows it.
  BlockId block{-1};
  PrefixKey key = kPrefixRootKey;

  bool operator==(const PrefixNode& other) const { return id == other.id; }
};
/// The empty prefix.
inline constexpr PrefixNode kPrefixRoot{};

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

  /// `changed` is called whenever Lookup() begins or ceases to find a prefix.
  void OnChange(std::function<void(PrefixChange)> changed) { changed_ = std::move(changed); }

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
    /// Lookup() finds it: all before it is known too.
    bool reachable = false;
    /// Blocks right behind this one, as a list through their siblings.
    int32_t first_child = -1;
    int32_t older_sibling = -1;
    int32_t newer_sibling = -1;
  };

  size_t Bucket(PrefixNode parent, std::span<const TokenId> tokens, uint64_t salt) const;
  int32_t Find(size_t bucket, PrefixNode parent, std::span<const TokenId> tokens,
               uint64_t salt) const;
  void Forget(BlockId block);
  /// The entry of a node that is known still and can be found; null for others and for the root.
  Entry* Reachable(const PrefixNode& node);
  /// Puts `block` among its parent's children, or takes it out.
  void Adopt(Entry& parent, int32_t block);
  void Disown(int32_t block);
  /// `block` and all behind it can be found no more.
  void Orphan(int32_t block);
  Entry& At(int32_t block) { return entries_[static_cast<size_t>(block)]; }

  BlockPool& pool_;
  const size_t block_tokens_;
  const uint64_t hash_seed_;
  std::vector<Entry> entries_;    ///< By block.
  std::vector<TokenId> tokens_;   ///< [block][block_tokens].
  std::vector<int32_t> buckets_;  ///< First block of each, or -1; a power of two of them.
  uint64_t last_node_ = 0;
  int32_t size_ = 0;
  std::function<void(PrefixChange)> changed_ = [](PrefixChange) {};
};

}  // namespace baton::kv
