#include "baton/kv/block_table.h"

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::kv {

void BlockTable::Adopt(BlockPool& pool, std::span<const BlockId> prefix) {
  BATON_CHECK(blocks_.empty());
  for (const BlockId block : prefix) pool.Share(block);
  blocks_.assign(prefix.begin(), prefix.end());
}

bool BlockTable::Grow(BlockPool& pool, int32_t tokens) {
  const int32_t missing = CeilDiv(tokens, block_tokens_) - size();
  if (missing <= 0) return true;
  return pool.Allocate(missing, blocks_.empty() ? kNoBlock : blocks_.back(), blocks_);
}

void BlockTable::Free(BlockPool& pool) {
  for (; !blocks_.empty(); blocks_.pop_back()) pool.Unshare(blocks_.back());
}

void BlockTable::Quarantine(BlockPool& pool, int32_t shared) {
  BATON_CHECK(shared >= 0 && shared <= size());
  for (int32_t i = shared; i < size(); ++i) pool.Quarantine(blocks_[static_cast<size_t>(i)]);
  for (int32_t i = shared; i-- > 0;) pool.Unshare(blocks_[static_cast<size_t>(i)]);
  blocks_.erase(blocks_.begin(), blocks_.begin() + shared);
}

void BlockTable::EndQuarantine(BlockPool& pool) {
  for (; !blocks_.empty(); blocks_.pop_back()) pool.EndQuarantine(blocks_.back());
}

}  // namespace baton::kv
