#pragma once

#include <memory>
#include <mutex>

#include "automaton.h"
#include "baton/grammar/grammar.h"
#include "baton/grammar/vocabulary.h"
#include "configurations.h"
#include "mask_maker.h"

namespace baton::grammar {

/// What was learnt of a grammar while matching with one vocabulary.
struct Learnt {
  Learnt(const Automaton& automaton, std::shared_ptr<const Vocabulary> of)
      : vocabulary(std::move(of)), places(automaton), masks(automaton, *vocabulary, places) {}

  size_t MemoryBytes() const { return places.MemoryBytes() + masks.MemoryBytes(); }

  std::shared_ptr<const Vocabulary> vocabulary;
  Configurations places;
  MaskMaker masks;
};

struct Grammar::Parts {
  /// Beyond this much learnt, learning begins anew.
  static constexpr size_t kMaxLearntBytes = size_t{64} << 20;

  explicit Parts(Automaton of) : automaton(std::move(of)) {}

  const Automaton automaton;
  /// Guards all that is learnt, also what was replaced and is still in use. A mutex and not a
  /// mailbox: what the lock protects is a look-up, and its result is needed at once.
  mutable std::mutex mutex;
  mutable std::shared_ptr<Learnt> learnt;
};

}  // namespace baton::grammar
