#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/grammar/grammar.h"
#include "expr.h"

namespace baton::grammar {

/// A pushdown automaton over bytes. Each rule is a machine, and so is the body of each counted
/// repetition; a call of a machine pushes where to go on after it. No machine calls itself before
/// it takes a byte, and from every state a text can be completed.
/// *Threads*: immutable.
struct Automaton {
  struct Edge {
    uint8_t first = 0;
    uint8_t last = 0;
    int32_t target = 0;
  };
  struct Call {
    int32_t machine = 0;
    /// Of `loops`; kNoLoop for a rule, which runs once.
    int32_t loop = kNoLoop;
    int32_t target = 0;
    /// Nothing comes after it in its machine, so that nothing need be pushed.
    bool tail = false;
  };
  /// Edges of one state may overlap: it then has several successors.
  struct State {
    uint32_t first_edge = 0;
    uint32_t first_call = 0;
    bool final = false;
  };
  /// A machine run at least max(min, 1) and at most max times.
  struct Loop {
    int32_t machine = 0;
    int32_t min = 0;
    int32_t max = kUnbounded;
    /// A lower bound, at least 1.
    int32_t bytes_per_run = 1;
  };
  static constexpr int32_t kNoLoop = -1;

  /// Edges of state s are [states[s].first_edge, states[s + 1].first_edge); the same for calls. One
  /// more state than there are ends the lists.
  std::vector<State> states{1};
  std::vector<Edge> edges;
  std::vector<Call> calls;
  std::vector<Loop> loops;
  /// By machine.
  std::vector<int32_t> starts;
  std::vector<std::string> names;
  int32_t root = 0;

  /// Bytes of one class lead from every state to the same states.
  std::array<uint8_t, 256> class_of{};
  std::vector<uint8_t> byte_of_class;

  int32_t state_count() const { return static_cast<int32_t>(states.size()) - 1; }
  uint32_t edges_end(int32_t state) const {
    return states[static_cast<size_t>(state) + 1].first_edge;
  }
  uint32_t calls_end(int32_t state) const {
    return states[static_cast<size_t>(state) + 1].first_call;
  }

  size_t MemoryBytes() const;
};

/// *Fails with* InvalidArgument naming the rule that begins with itself, that the root matches
/// nothing, or the limit exceeded.
Result<Automaton> BuildAutomaton(const Rules& rules, const GrammarLimits& limits);

}  // namespace baton::grammar
