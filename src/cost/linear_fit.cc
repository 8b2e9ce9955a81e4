#include "baton/cost/linear_fit.h"

#include <algorithm>
#include <cmath>

#include "baton/base/check.h"

namespace baton::cost {
namespace {

/// Of the anchor, in observations.
constexpr double kAnchorWeight = 0.2;
constexpr double kAnchorFollows = 0.01;
/// A prediction this many times too high gets less weight, once there is something to trust.
constexpr double kFarBelow = 3;
constexpr size_t kTrusted = 16;
constexpr int kSweeps = 24;

}  // namespace

LinearFit::LinearFit(size_t terms, size_t groups, double memory)
    : terms_(terms), keep_(1 - 1 / memory), groups_(groups) {
  BATON_CHECK(terms > 0 && terms <= kMostTerms && groups > 0 && memory > 1);
}

double LinearFit::Predict(std::span<const double> x) const {
  double y = 0;
  for (size_t i = 0; i < terms_; ++i) y += c_[i] * x[i];
  return y;
}

void LinearFit::Learn(std::span<const double> x, double y, size_t group) {
  BATON_CHECK(x.size() == terms_ && group < groups_.size());
  const bool finite = std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
  if (!finite || !std::isfinite(y) || y <= 0) return;
  Group& into = groups_[group];
  const double ratio = Predict(x) / y;
  const bool slip = into.observations >= kTrusted && ratio > kFarBelow;
  const double weight = slip ? 1 / (ratio * ratio) : 1;
  for (size_t i = 0; i < terms_; ++i) {
    for (size_t j = 0; j < terms_; ++j) {
      into.gram[i][j] = keep_ * into.gram[i][j] + weight * (x[i] / y) * (x[j] / y);
    }
    into.moment[i] = keep_ * into.moment[i] + weight * (x[i] / y);
  }
  into.weight = keep_ * into.weight + weight;
  ++into.observations;
  Solve();
}

/// Coordinate descent from where the last solution lies; exact for each term, never negative.
void LinearFit::Solve() {
  std::array<Vector, kMostTerms> gram{};
  Vector moment{};
  double weight = 0;
  for (const Group& group : groups_) {
    for (size_t i = 0; i < terms_; ++i) {
      for (size_t j = 0; j < terms_; ++j) gram[i][j] += group.gram[i][j];
      moment[i] += group.moment[i];
    }
    weight += group.weight;
  }
  const size_t most =
      std::max_element(groups_.begin(), groups_.end(), [](const Group& a, const Group& b) {
        return a.observations < b.observations;
      })->observations;
  for (size_t i = 0; most > 1 && i < terms_; ++i) {
    const double pull = kAnchorWeight * gram[i][i] / weight;
    gram[i][i] += pull;
    moment[i] += pull * anchor_[i];
  }
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (size_t i = 0; i < terms_; ++i) {
      if (gram[i][i] <= 0) continue;
      double left = moment[i];
      for (size_t j = 0; j < terms_; ++j) left -= j == i ? 0 : gram[i][j] * c_[j];
      c_[i] = std::max(0.0, left / gram[i][i]);
    }
  }
  // What was learnt first is the anchor at once.
  const double follows = std::max(kAnchorFollows, 1.0 / static_cast<double>(most));
  for (size_t i = 0; i < terms_; ++i) anchor_[i] += follows * (c_[i] - anchor_[i]);
}

}  // namespace baton::cost
