#include "automaton.h"

#include <algorithm>
#include <bitset>
#include <utility>

#include "automaton_checks.h"

namespace baton::grammar {
namespace {

using State = Automaton::State;
using Edge = Automaton::Edge;
using Call = Automaton::Call;

/// The states from which a machine can reach its end: with or without taking bytes. Each step of
/// the automaton is looked at a fixed number of times.
class EndReaching {
 public:
  EndReaching(const Automaton& automaton, bool by_bytes)
      : reaches_(static_cast<size_t>(automaton.state_count())),
        callers_(reaches_.size()),
        sources_(reaches_.size()),
        missing_(automaton.calls.size(), 2) {
    for (int32_t s = 0; s < automaton.state_count(); ++s) {
      const State& state = automaton.states[static_cast<size_t>(s)];
      for (uint32_t e = state.first_edge; by_bytes && e < automaton.edges_end(s); ++e) {
        sources_[Index(automaton.edges[e].target)].push_back(s);
      }
      for (uint32_t c = state.first_call; c < automaton.calls_end(s); ++c) {
        const Call& call = automaton.calls[c];
        owners_.push_back(s);
        callers_[Index(call.target)].push_back(c);
        callers_[Index(automaton.starts[Index(call.machine)])].push_back(c);
      }
    }
    for (int32_t s = 0; s < automaton.state_count(); ++s) {
      if (automaton.states[Index(s)].final) Mark(s);
    }
    Spread();
  }

  bool operator[](int32_t state) const { return reaches_[Index(state)]; }

 private:
  static size_t Index(int32_t i) { return static_cast<size_t>(i); }

  void Mark(int32_t state) {
    if (reaches_[Index(state)]) return;
    reaches_[Index(state)] = true;
    pending_.push_back(state);
  }

  void Spread() {
    while (!pending_.empty()) {
      const int32_t state = pending_.back();
      pending_.pop_back();
      for (const int32_t source : sources_[Index(state)]) Mark(source);
      // A call gets to the end when both the machine and what follows it do.
      for (const uint32_t call : callers_[Index(state)]) {
        if (--missing_[call] == 0) Mark(owners_[call]);
      }
    }
  }

  std::vector<bool> reaches_;
  std::vector<std::vector<uint32_t>> callers_;
  std::vector<std::vector<int32_t>> sources_;
  std::vector<int32_t> owners_;
  std::vector<int> missing_;
  std::vector<int32_t> pending_;
};

void RemoveHopeless(Automaton& automaton) {
  const EndReaching hope(automaton, true);
  std::vector<Edge> edges;
  std::vector<Call> calls;
  std::vector<State> states;
  for (int32_t s = 0; s < automaton.state_count(); ++s) {
    const State& state = automaton.states[static_cast<size_t>(s)];
    states.push_back(
        {static_cast<uint32_t>(edges.size()), static_cast<uint32_t>(calls.size()), state.final});
    for (uint32_t e = state.first_edge; e < automaton.edges_end(s); ++e) {
      if (hope[automaton.edges[e].target]) edges.push_back(automaton.edges[e]);
    }
    for (uint32_t c = state.first_call; c < automaton.calls_end(s); ++c) {
      const Call& call = automaton.calls[c];
      const bool hopeful =
          hope[call.target] && hope[automaton.starts[static_cast<size_t>(call.machine)]];
      if (hopeful) calls.push_back(call);
    }
  }
  states.push_back({static_cast<uint32_t>(edges.size()), static_cast<uint32_t>(calls.size())});
  automaton.states = std::move(states);
  automaton.edges = std::move(edges);
  automaton.calls = std::move(calls);
}

/// The machines that each machine may call before it has taken a byte.
std::vector<std::vector<int32_t>> FirstCalls(const Automaton& automaton, const EndReaching& empty) {
  std::vector<std::vector<int32_t>> out(automaton.starts.size());
  std::vector<bool> seen(static_cast<size_t>(automaton.state_count()));
  for (size_t machine = 0; machine < automaton.starts.size(); ++machine) {
    std::vector<int32_t> pending = {automaton.starts[machine]};
    while (!pending.empty()) {
      const int32_t state = pending.back();
      pending.pop_back();
      if (seen[static_cast<size_t>(state)]) continue;
      seen[static_cast<size_t>(state)] = true;
      const uint32_t end = automaton.calls_end(state);
      for (uint32_t c = automaton.states[static_cast<size_t>(state)].first_call; c < end; ++c) {
        const Call& call = automaton.calls[c];
        out[machine].push_back(call.machine);
        if (empty[automaton.starts[static_cast<size_t>(call.machine)]]) {
          pending.push_back(call.target);
        }
      }
    }
  }
  return out;
}

/// A machine on a cycle of the graph, or -1.
int32_t FindCycle(const std::vector<std::vector<int32_t>>& successors) {
  enum class Visit : uint8_t { kNever, kOpen, kDone };
  std::vector<Visit> visits(successors.size(), Visit::kNever);
  std::vector<std::pair<int32_t, size_t>> path;
  for (size_t root = 0; root < successors.size(); ++root) {
    if (visits[root] == Visit::kNever) path.push_back({static_cast<int32_t>(root), 0});
    while (!path.empty()) {
      auto& [machine, next] = path.back();
      const std::vector<int32_t>& out = successors[static_cast<size_t>(machine)];
      visits[static_cast<size_t>(machine)] = Visit::kOpen;
      if (next == out.size()) {
        visits[static_cast<size_t>(machine)] = Visit::kDone;
        path.pop_back();
        continue;
      }
      const int32_t successor = out[next++];
      const Visit visit = visits[static_cast<size_t>(successor)];
      if (visit == Visit::kOpen) return successor;
      if (visit == Visit::kNever) path.push_back({successor, 0});
    }
  }
  return -1;
}

/// Neighbouring bytes that no edge tells apart are one class.
void DivideBytes(Automaton& automaton) {
  std::bitset<257> cuts;
  for (const Edge& edge : automaton.edges) {
    cuts.set(edge.first);
    cuts.set(size_t{edge.last} + 1);
  }
  automaton.byte_of_class = {0};
  for (size_t byte = 0; byte < 256; ++byte) {
    if (byte > 0 && cuts[byte]) automaton.byte_of_class.push_back(static_cast<uint8_t>(byte));
    automaton.class_of[byte] = static_cast<uint8_t>(automaton.byte_of_class.size() - 1);
  }
}

}  // namespace

Status CheckAutomaton(Automaton& automaton) {
  RemoveHopeless(automaton);
  const int32_t start = automaton.starts[static_cast<size_t>(automaton.root)];
  if (!EndReaching(automaton, true)[start]) {
    return InvalidArgument("the grammar matches no text: every way through its root is endless");
  }
  const EndReaching empty(automaton, false);
  for (const Automaton::Loop& loop : automaton.loops) {
    if (!empty[automaton.starts[static_cast<size_t>(loop.machine)]]) continue;
    return InvalidArgument("a repetition {m,n} of a rule that may be empty is not supported");
  }
  const int32_t recursive = FindCycle(FirstCalls(automaton, empty));
  if (recursive >= 0) {
    return InvalidArgument("the rule '" + automaton.names[static_cast<size_t>(recursive)] +
                           "' begins with itself; left recursion is not supported, write a "
                           "repetition instead");
  }
  DivideBytes(automaton);
  return OkStatus();
}

size_t Automaton::MemoryBytes() const {
  return states.capacity() * sizeof(State) + edges.capacity() * sizeof(Edge) +
         calls.capacity() * sizeof(Call) + loops.capacity() * sizeof(Loop);
}

}  // namespace baton::grammar
