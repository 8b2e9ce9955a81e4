#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "baton/base/clock.h"
#include "routing_policy.h"

namespace baton::router {

/// Durations of requests of late, and the wishes for them. *Threads*: lives on one thread.
class RecentTimes {
 public:
  /// What is older than this counts no more, nor what has more than this many after it.
  static constexpr Duration kWindow = std::chrono::seconds(30);
  static constexpr size_t kMost = 2048;

  struct Figures {
    int64_t count = 0;
    /// Quantiles; zero without any.
    Duration p50{};
    Duration p90{};
    Duration p99{};
    /// Of those with a wish: how many there were, how many held it, and the wish of their median.
    int64_t wishes = 0;
    int64_t held = 0;
    Duration wish{};
  };

  /// Without a wish it is zero.
  void Add(TimePoint now, Duration took, Duration wish);
  Figures Read(TimePoint now);

 private:
  struct Sample {
    TimePoint at;
    Duration took;
    Duration wish;
  };
  std::deque<Sample> samples_;
};

/// Requests whose KV passes from one worker to another.
struct Flow {
  std::string from;
  std::string to;
  /// Sent there and without a first token yet.
  int32_t in_flight = 0;
  /// Since the pair was last forgotten: first tokens that came, and the tokens of their prompts.
  int64_t done = 0;
  int64_t tokens = 0;
};

/// What whoever watches the race wants to know beyond metrics: which batons are under way between
/// whom, and how fast the runners are of late. *Threads*: lives on the router's thread.
class Scoreboard {
 public:
  /// A pair that did nothing for so long is forgotten.
  static constexpr Duration kForget = std::chrono::seconds(60);
  /// Most pairs that are shown.
  static constexpr size_t kMostFlows = 256;

  /// Of choices without a prefill worker nothing is kept.
  void BeginHandoff(const Choice& choice, TimePoint now);
  /// REQUIRES: begun before.
  void EndHandoff(const Choice& choice, TimePoint now);
  /// The first token came. Before EndHandoff.
  void Handed(const Choice& choice, int64_t prompt_tokens);

  /// Those with most under way first, then those that handed over most.
  std::vector<Flow> Flows(TimePoint now);

  RecentTimes ttft;
  RecentTimes tpot;

 private:
  struct Pair {
    Flow flow;
    TimePoint last{};
  };
  std::map<std::pair<std::string, std::string>, Pair> pairs_;
};

}  // namespace baton::router
