#include "baton/loadgen/goodput.h"

#include <algorithm>
#include <cmath>

namespace baton::loadgen {
namespace {

constexpr double kFactor = 2;

/// Steps that count as one, as their attainments contradict each other.
struct Pool {
  double sum = 0;
  size_t steps = 0;

  double mean() const { return sum / static_cast<double>(steps); }
};

}  // namespace

void GoodputSearch::Add(double rate, double attainment) {
  const auto behind = std::upper_bound(steps_.begin(), steps_.end(), rate,
                                       [](double r, const Step& step) { return r < step.rate; });
  steps_.insert(behind, {rate, attainment});
}

GoodputSearch::Bracket GoodputSearch::FindBracket() const {
  // Pool adjacent violators: attainment must not rise with the rate.
  std::vector<Pool> pools;
  for (const Step& step : steps_) {
    Pool pool{step.attainment, 1};
    while (!pools.empty() && pools.back().mean() < pool.mean()) {
      pool = {pool.sum + pools.back().sum, pool.steps + pools.back().steps};
      pools.pop_back();
    }
    pools.push_back(pool);
  }
  size_t kept = 0;
  for (const Pool& pool : pools) {
    if (pool.mean() < options_.goal) break;
    kept += pool.steps;
  }
  Bracket bracket;
  if (kept > 0) bracket.kept = steps_[kept - 1].rate;
  if (kept < steps_.size()) bracket.missed = steps_[kept].rate;
  return bracket;
}

bool GoodputSearch::bounded() const {
  const Bracket bracket = FindBracket();
  return !Next() && (!bracket.missed || bracket.kept == 0);
}

std::optional<double> GoodputSearch::Next() const {
  if (steps_.empty()) return options_.first_rate;
  if (static_cast<int>(steps_.size()) >= options_.steps) return std::nullopt;
  const auto [low, missed] = FindBracket();
  if (!missed) {
    if (low >= options_.most_rate) return std::nullopt;
    return std::min(low * kFactor, options_.most_rate);
  }
  if (low == 0) {
    if (*missed <= options_.least_rate) return std::nullopt;
    return std::max(*missed / kFactor, options_.least_rate);
  }
  if (*missed / low <= 1 + options_.precision) return std::nullopt;
  // By ratio: a search from 1 to 2 and one from 100 to 200 take the same steps.
  return std::sqrt(low * *missed);
}

}  // namespace baton::loadgen
