#include "baton/grammar/grammar.h"

#include <utility>

#include "ebnf_parser.h"
#include "grammar_parts.h"

namespace baton::grammar {

Grammar::Grammar(std::string text, std::unique_ptr<Parts> parts)
    : text_(std::move(text)), parts_(std::move(parts)) {}
Grammar::~Grammar() = default;

Result<std::shared_ptr<const Grammar>> Grammar::Compile(std::string_view text,
                                                        const GrammarLimits& limits) {
  BATON_ASSIGN_OR_RETURN(const Rules rules, ParseEbnf(text, limits));
  BATON_ASSIGN_OR_RETURN(Automaton automaton, BuildAutomaton(rules, limits));
  return std::shared_ptr<const Grammar>(
      new Grammar(std::string(text), std::make_unique<Parts>(std::move(automaton))));
}

size_t Grammar::MemoryBytes() const {
  const std::lock_guard lock(parts_->mutex);
  const size_t learnt = parts_->learnt == nullptr ? 0 : parts_->learnt->MemoryBytes();
  return text_.capacity() + parts_->automaton.MemoryBytes() + learnt;
}

}  // namespace baton::grammar
