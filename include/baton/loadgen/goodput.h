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
/// sides are known, then bisects. It takes attainment to fall with the rate; where noise says
/// otherwise, the lowest rate that missed bounds it.
class GoodputSearch {
 public:
  explicit GoodputSearch(const GoodputOptions& options) : options_(options) {}

  /// What a step measured, at whatever rate, also one that was not asked for.
  void Add(double rate, double attainment);
  /// The rate to measure next; nothing when the search is over.
  std::optional<double> Next() const;
  /// The highest rate that reached the goal and lies below all that missed it; 0: none did.
  double goodput() const;
  /// The bounds were reached before both sides were known.
  bool bounded() const { return !Next() && (!missed_ || goodput() == 0); }

 private:
  const GoodputOptions options_;
  std::vector<double> kept_;
  /// The lowest rate that missed the goal.
  std::optional<double> missed_;
  int steps_ = 0;
};

}  // namespace baton::loadgen
