#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "automaton.h"
#include "automaton_checks.h"
#include "nfa.h"

namespace baton::grammar {
namespace {

using Kind = Expr::Kind;

constexpr int64_t kInfinite = int64_t{1} << 40;

/// Rules up to this size become part of those who refer to them: a token then seldom crosses a
/// call, which costs more than staying within a machine.
constexpr int64_t kInlineStates = 64;
constexpr int64_t kInlineBytes = 16;
constexpr int kInlineHeight = 8;
/// Repetitions up to this size are written out, others counted while they run.
constexpr int64_t kWrittenOutStates = 96;

int64_t Plus(int64_t a, int64_t b) { return std::min(a + b, kInfinite); }
int64_t Times(int64_t a, int64_t n) {
  return n == 0 || a == 0 ? 0 : a > kInfinite / n ? kInfinite : a * n;
}

/// How great the machine of an expression gets, and what its texts measure.
struct Measure {
  int64_t states = 0;
  int64_t least_bytes = 0;
  int64_t most_bytes = 0;
};
inline constexpr Measure kUnmeasured{kInfinite, 0, kInfinite};
using Measures = std::map<std::string, Measure, std::less<>>;

Measure MeasureOf(const Expr& expr, const Measures& rules);

Measure MeasureOfClass(const CharClass& chars) {
  Measure measure{0, 4, 0};
  for (const Utf8Sequence& sequence : Utf8SequencesOf(chars)) {
    measure.states += sequence.length;
    measure.least_bytes = std::min<int64_t>(measure.least_bytes, sequence.length);
    measure.most_bytes = std::max<int64_t>(measure.most_bytes, sequence.length);
  }
  return measure;
}

Measure MeasureOfRepeat(const Expr& expr, const Measures& rules) {
  const Measure part = MeasureOf(*expr.parts[0], rules);
  const int64_t max = expr.max == kUnbounded ? kInfinite : expr.max;
  return {Times(part.states, expr.max == kUnbounded ? std::max(expr.min, 1) : expr.max),
          Times(part.least_bytes, expr.min), Times(part.most_bytes, max)};
}

Measure MeasureOf(const Expr& expr, const Measures& rules) {
  Measure sum;
  switch (expr.kind) {
    case Kind::kLiteral: {
      const int64_t bytes = static_cast<int64_t>(expr.text.size());
      return {bytes, bytes, bytes};
    }
    case Kind::kClass: return MeasureOfClass(expr.chars);
    case Kind::kReference: {
      const auto known = rules.find(expr.text);
      return known == rules.end() ? kUnmeasured : known->second;
    }
    case Kind::kRepeat: return MeasureOfRepeat(expr, rules);
    case Kind::kSequence:
      for (const ExprPtr& part : expr.parts) {
        const Measure one = MeasureOf(*part, rules);
        sum = {Plus(sum.states, one.states), Plus(sum.least_bytes, one.least_bytes),
               Plus(sum.most_bytes, one.most_bytes)};
      }
      return sum;
    case Kind::kChoice:
      sum.least_bytes = expr.parts.empty() ? 0 : kInfinite;
      for (const ExprPtr& part : expr.parts) {
        const Measure one = MeasureOf(*part, rules);
        sum = {Plus(sum.states, one.states), std::min(sum.least_bytes, one.least_bytes),
               std::max(sum.most_bytes, one.most_bytes)};
      }
      return sum;
  }
  return sum;
}

/// The rules worth inlining: small, of short texts, and not referring to themselves. Found in a few
/// rounds, each of which takes in rules that refer to those found before.
Measures SmallRules(const Rules& rules) {
  Measures small;
  for (int round = 0; round < kInlineHeight; ++round) {
    Measures found;
    for (const auto& [name, expr] : rules.by_name) {
      if (small.contains(name)) continue;
      const Measure measure = MeasureOf(*expr, small);
      if (measure.states > kInlineStates || measure.most_bytes > kInlineBytes) continue;
      found.emplace(name, measure);
    }
    if (found.empty()) break;
    small.merge(found);
  }
  return small;
}

/// Turns rules into NFAs from the root on, and these into machines.
class AutomatonBuilder {
 public:
  AutomatonBuilder(const Rules& rules, const GrammarLimits& limits)
      : rules_(rules), limits_(limits), small_(SmallRules(rules)), subsets_(out_, limits) {}

  Result<Automaton> Run() {
    out_.root = MachineOf(rules_.root);
    for (size_t i = 0; i < wanted_.size(); ++i) {
      const Wanted wanted = wanted_[i];
      Nfa nfa;
      nfa_ = &nfa;
      nfa.start = AddState();
      BATON_ASSIGN_OR_RETURN(nfa.final, Build(*wanted.expr, nfa.start));
      nfa_states_ += nfa.states.size();
      BATON_ASSIGN_OR_RETURN(out_.starts[i], subsets_.Append(nfa, wanted.is_loop));
    }
    BATON_RETURN_IF_ERROR(CheckAutomaton(out_));
    return std::move(out_);
  }

 private:
  struct Wanted {
    ExprPtr expr;
    bool is_loop = false;
  };

  int32_t Want(Wanted wanted, std::string name) {
    wanted_.push_back(std::move(wanted));
    out_.starts.push_back(0);
    out_.names.push_back(std::move(name));
    return static_cast<int32_t>(wanted_.size()) - 1;
  }

  int32_t MachineOf(const std::string& rule) {
    const auto known = machines_.find(rule);
    if (known != machines_.end()) return known->second;
    const int32_t machine = Want({rules_.by_name.find(rule)->second}, rule);
    machines_.emplace(rule, machine);
    return machine;
  }

  /// Equal repetitions are one loop.
  int32_t LoopOf(const Expr& repeat) {
    const std::string text = Print(std::make_shared<const Expr>(repeat));
    const auto known = loops_.find(text);
    if (known != loops_.end()) return known->second;
    const int32_t machine = Want({repeat.parts[0], true}, "a repetition");
    const Measure body = MeasureOf(*repeat.parts[0], small_);
    const int32_t bytes = static_cast<int32_t>(std::clamp<int64_t>(body.least_bytes, 1, 1 << 20));
    // A run that may be empty may as well be left out.
    const int32_t min = body.least_bytes == 0 && MayBeEmpty(*repeat.parts[0]) ? 0 : repeat.min;
    out_.loops.push_back({machine, min, repeat.max, bytes});
    return loops_[text] = static_cast<int32_t>(out_.loops.size()) - 1;
  }

  /// Without looking into machines that are called: those that may be empty are refused in loops.
  bool MayBeEmpty(const Expr& expr) const {
    const auto empty = [this](const ExprPtr& part) { return MayBeEmpty(*part); };
    switch (expr.kind) {
      case Kind::kLiteral: return expr.text.empty();
      case Kind::kClass: return false;
      case Kind::kReference:
        return small_.contains(expr.text) && MayBeEmpty(*rules_.by_name.find(expr.text)->second);
      case Kind::kSequence: return std::all_of(expr.parts.begin(), expr.parts.end(), empty);
      case Kind::kChoice: return std::any_of(expr.parts.begin(), expr.parts.end(), empty);
      case Kind::kRepeat: return expr.min == 0 || MayBeEmpty(*expr.parts[0]);
    }
    return false;
  }

  int32_t AddState() {
    nfa_->states.emplace_back();
    return static_cast<int32_t>(nfa_->states.size()) - 1;
  }
  Nfa::State& At(int32_t state) { return nfa_->states[static_cast<size_t>(state)]; }

  /// The state reached from `from` by the texts of `expr`; it has no steps yet.
  Result<int32_t> Build(const Expr& expr, int32_t from) {
    if (nfa_states_ + nfa_->states.size() > limits_.states) {
      return InvalidArgument("the grammar has more than " + std::to_string(limits_.states) +
                             " states");
    }
    switch (expr.kind) {
      case Kind::kLiteral: return BuildLiteral(expr.text, from);
      case Kind::kClass: return BuildClass(expr.chars, from);
      case Kind::kReference: return BuildReference(expr.text, from);
      case Kind::kSequence:
        for (const ExprPtr& part : expr.parts) {
          BATON_ASSIGN_OR_RETURN(from, Build(*part, from));
        }
        return from;
      case Kind::kChoice: return BuildChoice(expr, from);
      case Kind::kRepeat: return BuildRepeat(expr, from);
    }
    return from;
  }

  int32_t BuildByte(uint8_t first, uint8_t last, int32_t from) {
    const int32_t next = AddState();
    At(from).edges.push_back({first, last, next});
    return next;
  }

  int32_t BuildLiteral(std::string_view text, int32_t from) {
    for (const char c : text) {
      from = BuildByte(static_cast<uint8_t>(c), static_cast<uint8_t>(c), from);
    }
    return from;
  }

  int32_t BuildClass(const CharClass& chars, int32_t from) {
    const int32_t end = AddState();
    for (const Utf8Sequence& sequence : Utf8SequencesOf(chars)) {
      int32_t at = from;
      for (int i = 0; i + 1 < sequence.length; ++i) {
        const Utf8Sequence::Bytes& bytes = sequence.bytes[static_cast<size_t>(i)];
        at = BuildByte(bytes.first, bytes.last, at);
      }
      const auto& last = sequence.bytes[static_cast<size_t>(sequence.length) - 1];
      At(at).edges.push_back({last.first, last.last, end});
    }
    return end;
  }

  Result<int32_t> BuildReference(const std::string& rule, int32_t from) {
    if (small_.contains(rule)) return Build(*rules_.by_name.find(rule)->second, from);
    const int32_t machine = MachineOf(rule);
    const int32_t end = AddState();
    At(from).calls.push_back({machine, Automaton::kNoLoop, end});
    return end;
  }

  Result<int32_t> BuildChoice(const Expr& expr, int32_t from) {
    const int32_t end = AddState();
    for (const ExprPtr& part : expr.parts) {
      const int32_t begin = AddState();
      At(from).silent.push_back(begin);
      BATON_ASSIGN_OR_RETURN(const int32_t last, Build(*part, begin));
      At(last).silent.push_back(end);
    }
    return end;
  }

  Result<int32_t> BuildRepeat(const Expr& expr, int32_t from) {
    const Expr& part = *expr.parts[0];
    if (expr.max == 0) return from;
    const int64_t states = MeasureOf(part, small_).states;
    const bool star = expr.max == kUnbounded && expr.min <= 1;
    const int copies = expr.max == kUnbounded ? expr.min : expr.max;
    const bool references = states >= kInfinite;
    const bool written_out =
        star || copies <= 1 || (!references && Times(states + 1, copies) <= kWrittenOutStates);
    if (!written_out) return BuildLoop(expr, from);
    for (int i = 0; i < expr.min; ++i) {
      BATON_ASSIGN_OR_RETURN(from, Build(part, from));
    }
    if (expr.max == kUnbounded) return BuildStar(part, from);
    const int32_t end = AddState();
    for (int i = expr.min; i < expr.max; ++i) {
      At(from).silent.push_back(end);
      BATON_ASSIGN_OR_RETURN(from, Build(part, from));
    }
    At(from).silent.push_back(end);
    return end;
  }

  Result<int32_t> BuildStar(const Expr& part, int32_t from) {
    const int32_t begin = AddState();
    At(from).silent.push_back(begin);
    BATON_ASSIGN_OR_RETURN(const int32_t last, Build(part, begin));
    At(last).silent.push_back(begin);
    const int32_t end = AddState();
    At(begin).silent.push_back(end);
    return end;
  }

  Result<int32_t> BuildLoop(const Expr& repeat, int32_t from) {
    const int32_t loop = LoopOf(repeat);
    const Automaton::Loop& built = out_.loops[static_cast<size_t>(loop)];
    const int32_t end = AddState();
    At(from).calls.push_back({built.machine, loop, end});
    if (built.min == 0) At(from).silent.push_back(end);
    return end;
  }

  const Rules& rules_;
  const GrammarLimits& limits_;
  const Measures small_;
  Automaton out_;
  SubsetBuilder subsets_;
  std::vector<Wanted> wanted_;
  std::map<std::string, int32_t, std::less<>> machines_;
  std::map<std::string, int32_t> loops_;
  Nfa* nfa_ = nullptr;
  size_t nfa_states_ = 0;
};

}  // namespace

Result<Automaton> BuildAutomaton(const Rules& rules, const GrammarLimits& limits) {
  return AutomatonBuilder(rules, limits).Run();
}

}  // namespace baton::grammar
