#include "baton/loadgen/goodput.h"

#include <algorithm>
#include <cmath>

namespace baton::loadgen {
namespace {

constexpr double kFactor = 2;

}  // namespace

void GoodputSearch::Add(double rate, double attainment) {
  ++steps_;
  if (attainment >= options_.goal) {
    kept_.push_back(rate);
  } else {
    missed_ = missed_ ? std::min(*missed_, rate) : rate;
  }
}

double GoodputSearch::goodput() const {
  double best = 0;
  for (const double rate : kept_) {
    if (!missed_ || rate < *missed_) best = std::max(best, rate);
  }
  return best;
}

std::optional<double> GoodputSearch::Next() const {
  if (steps_ >= options_.steps) return std::nullopt;
  const double low = goodput();
  if (!missed_ && low == 0) return options_.first_rate;
  if (!missed_) {
    if (low >= options_.most_rate) return std::nullopt;
    return std::min(low * kFactor, options_.most_rate);
  }
  if (low == 0) {
    if (*missed_ <= options_.least_rate) return std::nullopt;
    return std::max(*missed_ / kFactor, options_.least_rate);
  }
  if (*missed_ / low <= 1 + options_.precision) return std::nullopt;
  // By ratio: a search from 1 to 2 and one from 100 to 200 take the same steps.
  return std::sqrt(low * *missed_);
}

}  // namespace baton::loadgen
