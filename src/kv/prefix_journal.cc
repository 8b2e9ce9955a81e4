#include "baton/kv/prefix_journal.h"

#include <algorithm>

namespace baton::kv {

void PrefixJournal::Append(std::span<const PrefixChange> changes) {
  std::lock_guard lock(mutex_);
  for (const PrefixChange& change : changes) {
    if (change.stored) {
      held_.insert(change.key);
    } else {
      held_.erase(change.key);
    }
    changes_.push_back(change);
    if (changes_.size() <= log_) continue;
    changes_.pop_front();
    ++first_;
  }
}

PrefixUpdate PrefixJournal::Read(PrefixCursor& cursor, size_t most) const {
  std::lock_guard lock(mutex_);
  PrefixUpdate update{.reset = cursor.next < first_};
  if (update.reset) {
    cursor.updates = 0;
    cursor.snapshot.assign(held_.begin(), held_.end());
    cursor.next = first_ + changes_.size();
  }
  update.number = ++cursor.updates;
  while (!cursor.snapshot.empty() && update.changes.size() < most) {
    update.changes.push_back({.key = cursor.snapshot.back(), .stored = true});
    cursor.snapshot.pop_back();
  }
  if (!cursor.snapshot.empty()) return update;
  const auto begin = changes_.begin() + static_cast<ptrdiff_t>(cursor.next - first_);
  const auto left = static_cast<size_t>(changes_.end() - begin);
  const size_t count = std::min(left, most - update.changes.size());
  update.changes.insert(update.changes.end(), begin, begin + static_cast<ptrdiff_t>(count));
  cursor.next += count;
  return update;
}

}  // namespace baton::kv
