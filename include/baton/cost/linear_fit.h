#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace baton::cost {

/// Learns y = sum of c[i] x[i] on line, with c[i] >= 0, from x and y > 0: least squares of the
/// *relative* error, whose memory fades. An observation far above what was predicted hardly moves
/// it, one far below is held to a bounded weight: stalls and slips of a clock are no news, until
/// they come time after time.
///
/// Memory fades in groups, each by its own observations only: what the steps of one kind have
/// taught is not forgotten while none of them comes. What no observation tells apart stays as it
/// was, near an anchor that follows slowly.
/// *Threads*: one at a time.
class LinearFit {
 public:
  static constexpr size_t kMostTerms = 5;

  /// `memory`: how many observations of a group count, about. REQUIRES: terms <= kMostTerms.
  LinearFit(size_t terms, size_t groups, double memory = 100);

  /// Ignored unless y is positive and all is finite. REQUIRES: as many x as terms; group < groups.
  void Learn(std::span<const double> x, double y, size_t group = 0);
  double Predict(std::span<const double> x) const;
  /// Observations of a group so far.
  size_t observations(size_t group) const { return groups_[group].observations; }
  std::span<const double> coefficients() const { return {c_.data(), terms_}; }

 private:
  using Vector = std::array<double, kMostTerms>;
  struct Group {
    std::array<Vector, kMostTerms> gram{};
    Vector moment{};
    double weight = 0;
    size_t observations = 0;
    /// Observations in a row that were far from what was predicted.
    size_t surprises = 0;
  };

  /// `anew`: what was learnt before counts little.
  void Solve(bool anew);

  size_t terms_;
  double keep_;
  std::vector<Group> groups_;
  Vector c_{};
  Vector anchor_{};
};

}  // namespace baton::cost
