#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "baton/base/ids.h"

namespace baton::text {

struct Merge {
  static constexpr uint32_t kNever = std::numeric_limits<uint32_t>::max();
  /// The lower, the earlier.
  uint32_t rank = kNever;
  TokenId result = 0;
};

/// What each pair of neighbouring symbols becomes: a hash table with open addressing, 16 bytes a
/// slot, since encoding is little else than looking here. *Threads*: immutable once filled.
class MergeTable {
 public:
  void Reserve(size_t merges) {
    size_t slots = 16;
    while (slots < 2 * merges) slots *= 2;
    slots_.assign(slots, {});
  }

  /// Replaces the merge of the same pair. REQUIRES: Reserve, for at least as many.
  void Insert(TokenId left, TokenId right, Merge merge) {
    Slot& slot = slots_[Locate(Key(left, right))];
    slot.key = Key(left, right);
    slot.merge = merge;
  }

  /// rank == kNever when the pair never merges.
  Merge Find(TokenId left, TokenId right) const {
    return slots_.empty() ? Merge{} : slots_[Locate(Key(left, right))].merge;
  }

 private:
  static constexpr uint64_t kNoKey = std::numeric_limits<uint64_t>::max();
  struct Slot {
    uint64_t key = kNoKey;
    Merge merge;
  };

  static uint64_t Key(TokenId left, TokenId right) {
    return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
  }

  size_t Locate(uint64_t key) const {
    uint64_t hash = key * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
    const size_t mask = slots_.size() - 1;
    size_t at = static_cast<size_t>(hash) & mask;
    while (slots_[at].key != key && slots_[at].key != kNoKey) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

}  // namespace baton::text
