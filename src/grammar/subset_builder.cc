#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "nfa.h"

namespace baton::grammar {
namespace {

using Edge = Automaton::Edge;
using Call = Automaton::Call;
/// States of the NFA, ascending.
using Subset = std::vector<int32_t>;

/// More states than this many for each of the NFA's are not worth the determinism.
constexpr size_t kGrowth = 4;
constexpr size_t kGrowthFloor = 512;
/// Of one machine that is kept as it is.
constexpr int64_t kEffortAsIs = 10'000'000;

}  // namespace

/// One machine on its way into the automaton.
class SubsetBuilder::Machine {
 public:
  Machine(const Nfa& nfa, int64_t effort)
      : nfa_(nfa), effort_left_(effort), marks_(nfa.states.size()) {}

  /// False where it grows too much.
  bool Determinise(bool never_empty) {
    Subset start = {nfa_.start};
    Close(start);
    start_ = Intern(start, never_empty);
    const size_t most = kGrowth * nfa_.states.size() + kGrowthFloor;
    for (size_t at = 0; at < subsets_.size(); ++at) {
      if (subsets_.size() > most || effort_left_ < 0) return false;
      Expand(at);
    }
    return true;
  }

  /// One state for each of the NFA's that is entered by a byte or after a call.
  /// False where there are more than `most_edges` transitions.
  bool KeepAsIs(bool never_empty, size_t most_edges) {
    start_ = Intern({nfa_.start}, never_empty);
    size_t count = 0;
    for (size_t at = 0; at < subsets_.size(); ++at) {
      Subset closed = subsets_[at];
      Close(closed);
      states_[at].final &= Contains(closed, nfa_.final);
      for (const int32_t from : closed) {
        const Nfa::State& state = nfa_.states[static_cast<size_t>(from)];
        for (Edge edge : state.edges) {
          edge.target = Intern({edge.target}, false);
          states_[at].edges.push_back(edge);
        }
        for (Call call : state.calls) {
          call.target = Intern({call.target}, false);
          states_[at].calls.push_back(call);
        }
        count += state.edges.size() + state.calls.size();
        if (count > most_edges || effort_left_ < 0) return false;
      }
    }
    return true;
  }

  int32_t Emit(Automaton& out) const {
    const int32_t base = out.state_count();
    for (size_t at = 0; at < states_.size(); ++at) {
      out.states.back().final = states_[at].final;
      for (Edge edge : states_[at].edges) {
        edge.target += base;
        out.edges.push_back(edge);
      }
      for (Call call : states_[at].calls) {
        const State& target = states_[static_cast<size_t>(call.target)];
        call.tail = call.loop == Automaton::kNoLoop && target.final && target.edges.empty() &&
                    target.calls.empty();
        call.target += base;
        out.calls.push_back(call);
      }
      out.states.push_back(
          {static_cast<uint32_t>(out.edges.size()), static_cast<uint32_t>(out.calls.size())});
    }
    return base + start_;
  }

  int64_t effort_left() const { return effort_left_; }
  size_t size() const { return states_.size(); }

 private:
  struct State {
    std::vector<Edge> edges;
    std::vector<Call> calls;
    bool final = true;
  };

  static bool Contains(const Subset& subset, int32_t state) {
    return std::binary_search(subset.begin(), subset.end(), state);
  }

  void Close(Subset& subset) {
    ++mark_;
    for (const int32_t state : subset) marks_[static_cast<size_t>(state)] = mark_;
    for (size_t i = 0; i < subset.size(); ++i) {
      for (const int32_t next : nfa_.states[static_cast<size_t>(subset[i])].silent) {
        --effort_left_;
        if (std::exchange(marks_[static_cast<size_t>(next)], mark_) != mark_) {
          subset.push_back(next);
        }
      }
    }
    std::sort(subset.begin(), subset.end());
    effort_left_ -= static_cast<int64_t>(subset.size());
  }

  /// The state that stands for `subset`; one that may not end is another.
  int32_t Intern(const Subset& subset, bool never_empty) {
    const auto [known, added] =
        ids_.emplace(std::make_pair(subset, never_empty), static_cast<int32_t>(subsets_.size()));
    if (added) {
      subsets_.push_back(subset);
      states_.emplace_back();
      states_.back().final = !never_empty;
    }
    return known->second;
  }

  void Expand(size_t at) {
    const Subset subset = subsets_[at];
    std::map<std::pair<int32_t, int32_t>, Subset> calls;
    std::vector<Edge> edges;
    for (const int32_t from : subset) {
      const Nfa::State& state = nfa_.states[static_cast<size_t>(from)];
      edges.insert(edges.end(), state.edges.begin(), state.edges.end());
      for (const Call& call : state.calls) calls[{call.machine, call.loop}].push_back(call.target);
    }
    states_[at].final &= Contains(subset, nfa_.final);
    AddEdges(at, edges);
    for (auto& [callee, targets] : calls) {
      const int32_t target = Target(targets);
      states_[at].calls.push_back({callee.first, callee.second, target});
    }
  }

  int32_t Target(Subset& targets) {
    std::sort(targets.begin(), targets.end());
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    Close(targets);
    return Intern(targets, false);
  }

  /// Bytes with the same successors become one edge where they are neighbours.
  void AddEdges(size_t at, const std::vector<Edge>& edges) {
    std::map<int, Subset> by_byte;
    for (const Edge& edge : edges) {
      for (int byte = edge.first; byte <= edge.last; ++byte) by_byte[byte].push_back(edge.target);
      effort_left_ -= edge.last - edge.first + 1;
    }
    Subset previous;
    for (auto& [byte, targets] : by_byte) {
      std::sort(targets.begin(), targets.end());
      std::vector<Edge>& out = states_[at].edges;
      if (!out.empty() && out.back().last + 1 == byte && targets == previous) {
        out.back().last = static_cast<uint8_t>(byte);
        continue;
      }
      previous = targets;
      const int32_t target = Target(targets);
      states_[at].edges.push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), target});
    }
  }

  const Nfa& nfa_;
  int64_t effort_left_;
  std::vector<uint32_t> marks_;
  uint32_t mark_ = 0;
  std::map<std::pair<Subset, bool>, int32_t> ids_;
  std::vector<Subset> subsets_;
  std::vector<State> states_;
  int32_t start_ = 0;
};

Result<int32_t> SubsetBuilder::Append(const Nfa& nfa, bool never_empty) {
  std::optional<Machine> machine;
  machine.emplace(nfa, effort_left_);
  const bool deterministic = machine->Determinise(never_empty);
  effort_left_ = machine->effort_left();
  if (!deterministic) {
    machine.emplace(nfa, kEffortAsIs);
    if (!machine->KeepAsIs(never_empty, limits_.transitions)) {
      return InvalidArgument("the grammar has more than " + std::to_string(limits_.transitions) +
                             " transitions");
    }
  }
  const int32_t start = machine->Emit(out_);
  if (static_cast<size_t>(out_.state_count()) > limits_.states) {
    return InvalidArgument("the grammar has more than " + std::to_string(limits_.states) +
                           " states");
  }
  if (out_.edges.size() + out_.calls.size() > limits_.transitions) {
    return InvalidArgument("the grammar has more than " + std::to_string(limits_.transitions) +
                           " transitions");
  }
  return start;
}

}  // namespace baton::grammar
