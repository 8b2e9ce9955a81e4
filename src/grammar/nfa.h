#pragma once

#include <cstdint>
#include <vector>

#include "automaton.h"

namespace baton::grammar {

/// One machine as it is read off an expression, with steps that take nothing.
struct Nfa {
  struct State {
    std::vector<Automaton::Edge> edges;
    std::vector<Automaton::Call> calls;
    std::vector<int32_t> silent;
  };
  std::vector<State> states;
  int32_t start = 0;
  int32_t final = 0;
};

/// Appends machines to an automaton as states without silent steps: deterministic ones where that
/// takes not many more states than the machine has, else as it is.
class SubsetBuilder {
 public:
  SubsetBuilder(Automaton& out, const GrammarLimits& limits) : out_(out), limits_(limits) {}

  /// The start state. Where `never_empty`, the machine does not end before its first step.
  /// *Fails with* InvalidArgument naming the limit exceeded.
  Result<int32_t> Append(const Nfa& nfa, bool never_empty);

 private:
  class Machine;
  Automaton& out_;
  const GrammarLimits& limits_;
  /// What determinism may still cost, in steps of the construction: for all machines together.
  int64_t effort_left_ = 8'000'000;
};

}  // namespace baton::grammar
