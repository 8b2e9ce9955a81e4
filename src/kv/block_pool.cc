#include "baton/kv/block_pool.h"

#include <algorithm>
#include <iterator>

#include "baton/base/check.h"

namespace baton::kv {
namespace {

/// For fewer blocks any will do, as for a sequence that grows; for more, a run is looked for in the
/// whole pool, which takes about a nanosecond per block.
constexpr int32_t kWorthSearch = 4;

}  // namespace

BlockPool::BlockPool(int32_t blocks) {
  BATON_CHECK(blocks > 0);
  blocks_.resize(static_cast<size_t>(blocks));
  counts_.free = blocks;
  runs_[0] = blocks;
  runs_by_length_.emplace(blocks, 0);
}

BlockPool::Block& BlockPool::At(BlockId block) {
  BATON_CHECK(Index(block) >= 0 && Index(block) < size()) << "block " << Index(block);
  return blocks_[static_cast<size_t>(Index(block))];
}

const BlockPool::Block& BlockPool::At(BlockId block) const {
  return const_cast<BlockPool*>(this)->At(block);
}

bool BlockPool::Allocate(int32_t count, BlockId after, std::vector<BlockId>& out) {
  if (count > available()) return false;
  // Going on behind `after` keeps a growing sequence in one run.
  if (after != kNoBlock && count > 0) {
    auto run = runs_.upper_bound(Index(after) + 1);
    if (run != runs_.begin()) {
      run = std::prev(run);
      if (Index(after) + 1 < run->first + run->second) {
        count -= TakeRun(run->first, Index(after) + 1, count, out);
      }
    }
  }
  while (count > 0) {
    // The shortest run that holds all, else the longest.
    auto run = runs_by_length_.lower_bound({count, 0});
    if (run == runs_by_length_.end() && counts_.cached > 0 && EvictFor(count)) continue;
    if (run == runs_by_length_.end()) run = std::prev(run);
    count -= TakeRun(run->second, run->second, count, out);
  }
  return true;
}

int32_t BlockPool::TakeRun(int32_t start, int32_t from, int32_t count, std::vector<BlockId>& out) {
  const auto run = runs_.find(start);
  const int32_t end = start + run->second;
  const int32_t taken = std::min(count, end - from);
  runs_by_length_.erase({run->second, start});
  runs_.erase(run);
  const auto put_back = [&](int32_t begin, int32_t length) {
    if (length == 0) return;
    runs_[begin] = length;
    runs_by_length_.emplace(length, begin);
  };
  put_back(start, from - start);
  put_back(from + taken, end - from - taken);
  for (int32_t i = from; i < from + taken; ++i) {
    Block& block = blocks_[static_cast<size_t>(i)];
    block.state = BlockState::kUsed;
    block.shares = 1;
    out.push_back(BlockId{i});
  }
  counts_.free -= taken;
  counts_.used += taken;
  return taken;
}

void BlockPool::AddFree(int32_t block) {
  int32_t start = block;
  int32_t length = 1;
  auto next = runs_.lower_bound(block);
  if (next != runs_.end() && next->first == block + 1) {
    length += next->second;
    runs_by_length_.erase({next->second, next->first});
    next = runs_.erase(next);
  }
  if (next != runs_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == block) {
      start = previous->first;
      length += previous->second;
      runs_by_length_.erase({previous->second, previous->first});
      runs_.erase(previous);
    }
  }
  runs_[start] = length;
  runs_by_length_.emplace(length, start);
  blocks_[static_cast<size_t>(block)].state = BlockState::kFree;
  ++counts_.free;
}

void BlockPool::Share(BlockId id) {
  Block& block = At(id);
  if (block.state == BlockState::kCached) {
    Unlink(id);
    block.state = BlockState::kUsed;
    --counts_.cached;
    ++counts_.used;
  }
  BATON_CHECK(block.state == BlockState::kUsed) << "block " << Index(id);
  ++block.shares;
}

void BlockPool::Unshare(BlockId id) {
  Block& block = At(id);
  BATON_CHECK(block.state == BlockState::kUsed) << "block " << Index(id);
  if (--block.shares > 0) return;
  --counts_.used;
  if (!block.indexed) return AddFree(Index(id));
  block.state = BlockState::kCached;
  ++counts_.cached;
  PushNewest(id);
}

void BlockPool::MarkIndexed(BlockId id) {
  Block& block = At(id);
  BATON_CHECK(block.state == BlockState::kUsed && !block.indexed) << "block " << Index(id);
  block.indexed = true;
}

void BlockPool::Quarantine(BlockId id) {
  Block& block = At(id);
  BATON_CHECK(block.state == BlockState::kUsed && block.shares == 1 && !block.indexed)
      << "block " << Index(id);
  block.shares = 0;
  block.state = BlockState::kQuarantined;
  --counts_.used;
  ++counts_.quarantined;
}

void BlockPool::EndQuarantine(BlockId id) {
  BATON_CHECK(At(id).state == BlockState::kQuarantined) << "block " << Index(id);
  --counts_.quarantined;
  AddFree(Index(id));
}

/// One by one, sequences that end and grow in turn leave no two free blocks side by side, and KV is
/// handed over block by block.
bool BlockPool::EvictFor(int32_t count) {
  const int32_t longest = runs_by_length_.empty() ? 0 : runs_by_length_.rbegin()->first;
  if (count < kWorthSearch) {
    if (longest > 0) return false;
    Evict(oldest_);
    return true;
  }
  const Run best = FindReusable(count);
  if (best.length <= longest) return false;
  for (int32_t id = best.begin; id < best.begin + std::min(best.length, count); ++id) {
    if (At(BlockId{id}).state == BlockState::kCached) Evict(id);
  }
  return true;
}

BlockPool::Run BlockPool::FindReusable(int32_t count) const {
  const int64_t oldest = At(BlockId{oldest_}).released;
  const int64_t old = oldest + (releases_ - oldest) / 2;
  const auto reusable = [&](const Block& block) {
    return block.state == BlockState::kFree ||
           (block.state == BlockState::kCached && block.released <= old);
  };
  Run best, run;
  for (int32_t id = 0; id <= size(); ++id) {
    if (id < size() && reusable(blocks_[static_cast<size_t>(id)])) {
      ++run.length;
      continue;
    }
    const bool fits = run.length >= count;
    if (best.length < count ? run.length > best.length : fits && run.length < best.length)
      best = run;
    run = {id + 1, 0};
  }
  return best;
}

void BlockPool::Evict(int32_t index) {
  const BlockId id{index};
  Block& block = At(id);
  Unlink(id);
  block.indexed = false;
  --counts_.cached;
  if (forget_) forget_(id);
  AddFree(Index(id));
}

void BlockPool::PushNewest(BlockId id) {
  Block& block = At(id);
  block.released = ++releases_;
  block.older = newest_;
  block.newer = -1;
  (newest_ < 0 ? oldest_ : At(BlockId{newest_}).newer) = Index(id);
  newest_ = Index(id);
}

void BlockPool::Unlink(BlockId id) {
  const Block& block = At(id);
  (block.older < 0 ? oldest_ : At(BlockId{block.older}).newer) = block.newer;
  (block.newer < 0 ? newest_ : At(BlockId{block.newer}).older) = block.older;
}

}  // namespace baton::kv
