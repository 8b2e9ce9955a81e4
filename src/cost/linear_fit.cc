#include "baton/cost/linear_fit.h"

#include <algorithm>
#include <cmath>

#include "baton/base/check.h"

namespace baton::cost {
namespace {

/// Of the anchor, in observations.
constexpr double kAnchorWeight = 0.2;
constexpr double kAnchorFollows = 0.01;
/// By which factor a prediction must be wrong to surprise, once there is something to trust, and
/// how often in a row to convince.
constexpr double kFar = 3;
constexpr size_t kTrusted = 16;
constexpr size_t kConvincing = 8;
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
  const bool far = into.observations >= kTrusted && (ratio > kFar || ratio < 1 / kFar);
  into.surprises = far ? into.surprises + 1 : 0;
  // Once is a stall or a slip; time after time it is how things are now.
  const bool anew = into.surprises >= kConvincing;
  const double weight = far && !anew && ratio > 1 ? 1 / (ratio * ratio) : 1;
  const double keep = anew ? 0.5 : keep_;
  for (size_t i = 0; i < terms_; ++i) {
    for (size_t j = 0; j < terms_; ++j) {
      into.gram[i][j] = keep * into.gram[i][j] + weight * (x[i] / y) * (x[j] / y);
    }
    into.moment[i] = keep * into.moment[i] + weight * (x[i] / y);
  }
  into.weight = keep * into.weight + weight;
  ++into.observations;
  Solve(anew);
}

/// Coordinate descent from where the last solution lies; exact for each term, never negative.
void LinearFit::Solve(bool anew) {
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
  const double follows = anew ? 0.5 : std::max(kAnchorFollows, 1.0 / static_cast<double>(most));
  for (size_t i = 0; i < terms_; ++i) anchor_[i] += follows * (c_[i] - anchor_[i]);
}

}  // namespace baton::cost
