#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "baton/grammar/grammar.h"

namespace baton::grammar {

/// Compiled grammars by their text; the least recently used go first.
/// *Threads*: thread-safe. A mutex and not a mailbox, since a grammar is compiled on the thread
/// that needs it, and the answer is needed at once.
class GrammarCache {
 public:
  struct Options {
    size_t entries = 256;
    /// Of all grammars together with their masks; the one last asked for always stays.
    size_t bytes = size_t{1} << 30;
    GrammarLimits limits;
  };
  GrammarCache() : GrammarCache(Options{}) {}
  explicit GrammarCache(Options options) : options_(options) {}

  /// *Fails with* what Grammar::Compile fails with; failures are not kept.
  Result<std::shared_ptr<const Grammar>> Get(std::string_view text);

  size_t size() const;

 private:
  using Entries = std::list<std::shared_ptr<const Grammar>>;
  /// The entry of this text, moved to the front; null where there is none.
  std::shared_ptr<const Grammar> Find(std::string_view text);
  void Trim();

  const Options options_;
  mutable std::mutex mutex_;
  /// Most recently used first.
  Entries entries_;
  /// Keys are texts of the entries.
  std::unordered_map<std::string_view, Entries::iterator> by_text_;
};

}  // namespace baton::grammar
