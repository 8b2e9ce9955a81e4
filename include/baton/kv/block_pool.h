#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "baton/base/ids.h"

namespace baton::kv {

enum class BlockState : uint8_t {
  /// Holds nothing that anybody wants.
  kFree,
  /// At least one share is held.
  kUsed,
  /// No share is held, but the prefix index names it; evicted when blocks run short.
  kCached,
  /// A peer may still write into it; nobody may read or get it.
  kQuarantined,
};

struct BlockCounts {
  int32_t free = 0;
  int32_t used = 0;
  int32_t cached = 0;
  int32_t quarantined = 0;

  bool operator==(const BlockCounts&) const = default;
};

/// Who may use which block of a KV cache.
/// *Threads*: lives on the engine thread.
/// *Invariants*: every block is in one state; a block is handed out only from kFree, or from
/// kCached after the prefix index was told to forget it; evicted is the least recently used block,
/// or for several at once a run of the less recently used half.
class BlockPool {
 public:
  /// REQUIRES: blocks > 0.
  explicit BlockPool(int32_t blocks);

  /// `forget` is called for each cached block that is evicted.
  void OnEvict(std::function<void(BlockId)> forget) { forget_ = std::move(forget); }

  /// Appends `count` blocks with one share each to `out`, as few runs of consecutive ids as the
  /// free blocks allow, going on behind `after` where possible. False, and nothing changed, when
  /// fewer are available.
  bool Allocate(int32_t count, BlockId after, std::vector<BlockId>& out);

  /// Takes one more share. REQUIRES: used or cached.
  void Share(BlockId block);
  /// Gives a share back; with the last one the block becomes cached or free. REQUIRES: used.
  void Unshare(BlockId block);

  /// The prefix index names the block. REQUIRES: used.
  void MarkIndexed(BlockId block);
  bool indexed(BlockId block) const { return At(block).indexed; }

  /// Puts a block out of anybody's reach. REQUIRES: used, one share, not indexed.
  void Quarantine(BlockId block);
  /// Proof exists that nothing can write the block any more. REQUIRES: quarantined.
  void EndQuarantine(BlockId block);

  BlockState state(BlockId block) const { return At(block).state; }
  int32_t shares(BlockId block) const { return At(block).shares; }
  const BlockCounts& counts() const { return counts_; }
  /// What Allocate can hand out.
  int32_t available() const { return counts_.free + counts_.cached; }
  int32_t size() const { return static_cast<int32_t>(blocks_.size()); }

 private:
  struct Block {
    BlockState state = BlockState::kFree;
    bool indexed = false;
    int32_t shares = 0;
    /// Neighbours in the order of last use; kCached only.
    int32_t older = -1;
    int32_t newer = -1;
    /// When its last share was given back, counted in such events; kCached only.
    int64_t released = 0;
  };

  Block& At(BlockId block);
  const Block& At(BlockId block) const;
  struct Run {
    int32_t begin = 0;
    int32_t length = 0;
  };
  /// Evicts what makes a run of `count` blocks, or a longer one than there is. False when nothing
  /// can be gained. REQUIRES: a block is cached.
  bool EvictFor(int32_t count);
  /// The shortest run of at least `count` blocks that are free or among the older half of the
  /// cached ones, else the longest.
  Run FindReusable(int32_t count) const;
  void Evict(int32_t block);
  void PushNewest(BlockId block);
  void Unlink(BlockId block);
  void AddFree(int32_t block);
  /// Hands out up to `count` blocks from the run that starts at `start`, from `from` on.
  int32_t TakeRun(int32_t start, int32_t from, int32_t count, std::vector<BlockId>& out);

  std::vector<Block> blocks_;
  BlockCounts counts_;
  int32_t oldest_ = -1;
  int32_t newest_ = -1;
  /// Free blocks as maximal runs: start -> length, and the same by (length, start).
  std::map<int32_t, int32_t> runs_;
  std::set<std::pair<int32_t, int32_t>> runs_by_length_;
  int64_t releases_ = 0;
  std::function<void(BlockId)> forget_;
};

}  // namespace baton::kv
