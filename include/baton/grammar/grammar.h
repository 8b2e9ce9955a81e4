#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "baton/base/status.h"

namespace baton::grammar {

class Vocabulary;

/// What a grammar may cost; it comes from clients.
struct GrammarLimits {
  size_t text_bytes = 256 * 1024;
  size_t rules = 20'000;
  /// Of groups in groups.
  int nesting = 64;
  /// The greatest m or n of a repetition {m,n}.
  int repetitions = 100'000;
  /// Of the automaton that the rules become.
  size_t states = 200'000;
  size_t transitions = 1'000'000;
};

/// A context-free grammar over Unicode text in the notation of README.md, compiled to a pushdown
/// automaton over bytes.
/// *Threads*: thread-safe: what the text says is immutable, and what is learnt while matching (the
/// automaton's states and their masks) is kept behind a mutex, shared by all sequences.
class Grammar {
 public:
  /// *Fails with* InvalidArgument naming line and column of a mistake, or the limit exceeded.
  static Result<std::shared_ptr<const Grammar>> Compile(std::string_view text,
                                                        const GrammarLimits& limits = {});
  ~Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  const std::string& text() const { return text_; }
  /// What it takes of memory now, masks included.
  size_t MemoryBytes() const;

  /// Private to the module.
  struct Parts;
  const Parts& parts() const { return *parts_; }

 private:
  Grammar(std::string text, std::unique_ptr<Parts> parts);
  std::string text_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::grammar
