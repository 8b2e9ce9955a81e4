#include "baton/loadgen/slo.h"

#include <charconv>
#include <cmath>

#include "baton/loadgen/statistics.h"

namespace baton::loadgen {
namespace {

constexpr int kPointsPerDecade = 20;

bool ParsePositive(std::string_view text, double& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end && std::isfinite(value) && value > 0;
}

double Part(int64_t some, int64_t all) {
  return all == 0 ? 0 : static_cast<double>(some) / static_cast<double>(all);
}

}  // namespace

Result<Slo> ParseSlo(const std::string& text) {
  const std::string_view view = text;
  const size_t colon = view.find(':');
  Slo slo;
  if (colon != std::string_view::npos && ParsePositive(view.substr(0, colon), slo.ttft_ms) &&
      ParsePositive(view.substr(colon + 1), slo.tpot_ms)) {
    return slo;
  }
  return InvalidArgument("'" + text + "' is no SLO; write TTFT:TPOT in milliseconds, e.g. 500:50");
}

Attainment MeasureAttainment(std::span<const Record> records, const Slo& slo) {
  int64_t all = 0, both = 0, ttft = 0, tpot = 0;
  for (const Record& record : records) {
    if (record.outcome == Outcome::kCancelled) continue;
    ++all;
    if (!record.done()) continue;
    const auto each = record.tpot();
    const bool first = Milliseconds(record.ttft()) <= slo.ttft_ms;
    const bool others = !each || Milliseconds(*each) <= slo.tpot_ms;
    ttft += first ? 1 : 0;
    tpot += others ? 1 : 0;
    both += first && others ? 1 : 0;
  }
  return {
      .requests = all, .both = Part(both, all), .ttft = Part(ttft, all), .tpot = Part(tpot, all)};
}

std::vector<AttainmentPoint> AttainmentCurve(std::span<const Record> records, const Slo& slo) {
  std::vector<AttainmentPoint> curve;
  for (int i = -kPointsPerDecade; i <= kPointsPerDecade; ++i) {
    const double scale = std::pow(10.0, static_cast<double>(i) / kPointsPerDecade);
    curve.push_back({scale, MeasureAttainment(records, slo.Scaled(scale)).both});
  }
  return curve;
}

}  // namespace baton::loadgen
