#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "baton/base/silence.h"

namespace baton {

/// A thread that does one turn after the other.
struct LoopProgress {
  std::string name;
  /// Grows with every turn.
  uint64_t turns = 0;
  /// It has something to do, so that it must get ahead.
  bool busy = false;

  bool operator==(const LoopProgress&) const = default;
};

/// Finds out who has something to do and gets nothing done, in time during which we ourselves
/// looked, as base/silence.h has it.
class ProgressWatch {
 public:
  /// REQUIRES: `limit` is positive.
  explicit ProgressWatch(Duration limit) : limit_(limit) {}

  /// The name of one of `loops` that has got nothing done for the limit. Call several times within
  /// it.
  std::optional<std::string> Look(std::span<const LoopProgress> loops, TimePoint now) {
    std::optional<std::string> stuck;
    for (const LoopProgress& loop : loops) {
      const auto [seen, fresh] = seen_.try_emplace(loop.name, Seen{loop.turns, {limit_, now}});
      if (fresh || !loop.busy || loop.turns != seen->second.turns) seen->second.silence.Heard(now);
      seen->second.turns = loop.turns;
      if (seen->second.silence.Look(now)) stuck = loop.name;
    }
    return stuck;
  }
  Duration limit() const { return limit_; }

 private:
  struct Seen {
    uint64_t turns = 0;
    Silence silence;
  };

  const Duration limit_;
  std::map<std::string, Seen> seen_;
};

}  // namespace baton
