#pragma once

#include <optional>
#include <vector>

namespace baton::loadgen {

struct GoodputOptions {
  /// The part of the requests that is to keep the SLO.
  double goal = 0.9;
  /// The search ends when the rates known as kept and as missed differ by this part.
  double precision = 0.05;
  /// Where it begins, and between which rates it stays.
  double first_rate = 1;
  double least_rate = 0.01;
  double most_rate = 10'000;
  /// Most steps.
  int steps = 24;
};

/// Finds the highest rate whose attainment reaches the goal: doubles or halves the rate until both
/// sides are known, then bisects. Attainment falls with the rate; where noise says otherwise, each
/// rate counts with the mean of those that contradict each other (isotonic regression), so that one
/// unlucky step does not end the search.
class GoodputSearch {
 public:
  explicit GoodputSearch(const GoodputOptions& options) : options_(options) {}

  /// What a step measured, at whatever rate, also one that was not asked for.
  void Add(double rate, double attainment);
  /// The rate to measure next; nothing when the search is over.
  std::optional<double> Next() const;
  /// The highest rate that reached the goal; 0: none did.
  double goodput() const { return FindBracket().kept; }
  /// The bounds were reached before both sides were known.
  bool bounded() const;

 private:
  struct Step {
    double rate = 0;
    double attainment = 0;
  };
  struct Bracket {
    double kept = 0;
    /// The next higher rate, which missed.
    std::optional<double> missed;
  };
  Bracket FindBracket() const;

  const GoodputOptions options_;
  /// By rate.
  std::vector<Step> steps_;
};

}  // namespace baton::loadgen
