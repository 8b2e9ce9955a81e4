#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "baton/kv/prefix_key.h"

namespace baton::kv {

/// The next part of what a follower must know, in the order of `number`.
struct PrefixUpdate {
  /// Counts a follower's updates from 1, anew with each reset. 0: nothing is told.
  uint64_t number = 0;
  /// What was told before is void; the prefixes that are there follow in this and later updates.
  bool reset = false;
  std::vector<PrefixChange> changes;

  bool operator==(const PrefixUpdate&) const = default;
};

/// How far one follower has read. *Ownership*: of whoever tells that follower.
struct PrefixCursor {
  /// Number of the next change it needs; 0: it knows nothing.
  uint64_t next = 0;
  uint64_t updates = 0;
  /// What is left to tell of a state of the whole.
  std::vector<PrefixKey> snapshot;
};

/// The prefixes that a worker holds and what changed of late, for followers that read at their own
/// pace: one that is too slow, or new, is told the whole again. Bounded by `log` changes and the
/// prefixes there are.
/// *Threads*: thread-safe. The engine thread appends once per step and gRPC's threads read; neither
/// may wait for the other, so this has a mutex instead of an owner.
class PrefixJournal {
 public:
  explicit PrefixJournal(size_t log = 1 << 15) : log_(log) {}

  void Append(std::span<const PrefixChange> changes);
  /// At most `most` changes from the cursor on, which moves.
  PrefixUpdate Read(PrefixCursor& cursor, size_t most) const;

 private:
  const size_t log_;
  mutable std::mutex mutex_;
  std::unordered_set<PrefixKey> held_;
  std::deque<PrefixChange> changes_;
  /// Number of the first of them.
  uint64_t first_ = 1;
};

}  // namespace baton::kv
