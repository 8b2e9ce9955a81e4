#include "baton/grammar/grammar_cache.h"

#include <utility>

namespace baton::grammar {

Result<std::shared_ptr<const Grammar>> GrammarCache::Get(std::string_view text) {
  if (auto known = Find(text)) return known;
  // Outside the lock: others need not wait for it. Two may compile the same; one is kept.
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<const Grammar> made,
                         Grammar::Compile(text, options_.limits));
  const std::lock_guard lock(mutex_);
  const auto known = by_text_.find(text);
  if (known != by_text_.end()) return *known->second;
  entries_.push_front(made);
  by_text_.emplace(made->text(), entries_.begin());
  Trim();
  return made;
}

std::shared_ptr<const Grammar> GrammarCache::Find(std::string_view text) {
  const std::lock_guard lock(mutex_);
  const auto known = by_text_.find(text);
  if (known == by_text_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, known->second);
  return entries_.front();
}

void GrammarCache::Trim() {
  size_t bytes = 0;
  size_t kept = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    bytes += (*entry)->MemoryBytes();
    if (kept > 0 && (kept == options_.entries || bytes > options_.bytes)) {
      by_text_.erase((*entry)->text());
      entry = entries_.erase(entry);
    } else {
      ++kept;
      ++entry;
    }
  }
}

size_t GrammarCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace baton::grammar
