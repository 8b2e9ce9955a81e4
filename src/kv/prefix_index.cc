#include "baton/kv/prefix_index.h"

#include <algorithm>
#include <bit>

#include "baton/base/check.h"
#include "baton/base/random.h"

namespace baton::kv {
// The seed keeps clients from choosing tokens that all fall into one bucket.
PrefixIndex::PrefixIndex(BlockPool& pool, int32_t block_tokens)
    : pool_(pool), block_tokens_(static_cast<size_t>(block_tokens)), hash_seed_(RandomSeed()) {
  BATON_CHECK(block_tokens > 0);
  const size_t blocks = static_cast<size_t>(pool.size());
  entries_.resize(blocks);
  tokens_.resize(blocks * block_tokens_);
  buckets_.assign(std::bit_ceil(2 * blocks), -1);
  pool.OnEvict([this](BlockId block) { Forget(block); });
}

size_t PrefixIndex::Bucket(PrefixNode parent, std::span<const TokenId> tokens,
                           uint64_t salt) const {
  return HashBlock(hash_seed_, parent.id, tokens, salt) & (buckets_.size() - 1);
}

int32_t PrefixIndex::Find(size_t bucket, PrefixNode parent, std::span<const TokenId> tokens,
                          uint64_t salt) const {
  for (int32_t block = buckets_[bucket]; block >= 0;) {
    const size_t i = static_cast<size_t>(block);
    const Entry& entry = entries_[i];
    if (entry.parent == parent && entry.salt == salt &&
        std::equal(tokens.begin(), tokens.end(),
                   tokens_.begin() + static_cast<ptrdiff_t>(i * block_tokens_))) {
      return block;
    }
    block = entry.next;
  }
  return -1;
}

PrefixMatch PrefixIndex::Lookup(std::span<const TokenId> tokens, uint64_t salt) const {
  PrefixMatch match;
  while (tokens.size() >= block_tokens_) {
    const auto block_tokens = tokens.first(block_tokens_);
    const int32_t block =
        Find(Bucket(match.tail, block_tokens, salt), match.tail, block_tokens, salt);
    if (block < 0) break;
    match.blocks.push_back(BlockId{block});
    match.tail = entries_[static_cast<size_t>(block)].node;
    tokens = tokens.subspan(block_tokens_);
  }
  return match;
}

PrefixIndex::Entry* PrefixIndex::Reachable(const PrefixNode& node) {
  if (node == kPrefixRoot) return nullptr;
  Entry& entry = At(Index(node.block));
  return entry.node == node && entry.reachable ? &entry : nullptr;
}

void PrefixIndex::Adopt(Entry& parent, int32_t block) {
  At(block).newer_sibling = parent.first_child;
  if (parent.first_child >= 0) At(parent.first_child).older_sibling = block;
  parent.first_child = block;
}

void PrefixIndex::Disown(int32_t block) {
  const Entry& entry = At(block);
  if (entry.older_sibling >= 0) {
    At(entry.older_sibling).newer_sibling = entry.newer_sibling;
  } else if (Entry* parent = Reachable(entry.parent)) {
    parent->first_child = entry.newer_sibling;
  }
  if (entry.newer_sibling >= 0) At(entry.newer_sibling).older_sibling = entry.older_sibling;
}

void PrefixIndex::Orphan(int32_t block) {
  std::vector<int32_t> left{block};
  while (!left.empty()) {
    Entry& entry = At(left.back());
    left.pop_back();
    entry.reachable = false;
    changed_({.key = entry.node.key, .stored = false});
    for (int32_t child = entry.first_child; child >= 0; child = At(child).newer_sibling) {
      left.push_back(child);
    }
    // Its children need no list any more, nor it a place among its siblings.
    entry.first_child = entry.older_sibling = -1;
  }
}

PrefixNode PrefixIndex::Insert(PrefixNode parent, std::span<const TokenId> tokens, uint64_t salt,
                               BlockId block) {
  BATON_CHECK(tokens.size() == block_tokens_);
  const size_t bucket = Bucket(parent, tokens, salt);
  const int32_t known = Find(bucket, parent, tokens, salt);
  if (known >= 0) return entries_[static_cast<size_t>(known)].node;
  pool_.MarkIndexed(block);
  const size_t i = static_cast<size_t>(Index(block));
  Entry* const before = Reachable(parent);
  entries_[i] = {
      .node = {.id = ++last_node_, .block = block, .key = ExtendPrefix(parent.key, tokens, salt)},
      .parent = parent,
      .salt = salt,
      .bucket = bucket,
      .next = buckets_[bucket],
      .reachable = before != nullptr || parent == kPrefixRoot};
  if (before != nullptr) Adopt(*before, Index(block));
  std::copy(tokens.begin(), tokens.end(),
            tokens_.begin() + static_cast<ptrdiff_t>(i * block_tokens_));
  buckets_[bucket] = Index(block);
  ++size_;
  if (entries_[i].reachable) changed_({.key = entries_[i].node.key, .stored = true});
  return entries_[i].node;
}

void PrefixIndex::Forget(BlockId block) {
  const Entry& entry = entries_[static_cast<size_t>(Index(block))];
  int32_t* link = &buckets_[entry.bucket];
  while (*link != Index(block)) link = &entries_[static_cast<size_t>(*link)].next;
  *link = entry.next;
  --size_;
  if (!entry.reachable) return;
  Disown(Index(block));
  Orphan(Index(block));
}

}  // namespace baton::kv
