#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/loadgen/record.h"

namespace baton::loadgen {

/// What a request is to keep: both times, the first from when it was due.
struct Slo {
  double ttft_ms = 0;
  double tpot_ms = 0;

  /// The same with both times multiplied.
  Slo Scaled(double scale) const { return {ttft_ms * scale, tpot_ms * scale}; }
  bool operator==(const Slo&) const = default;
};

/// Reads "500:50", milliseconds of TTFT and TPOT. Fails with InvalidArgument.
Result<Slo> ParseSlo(const std::string& text);

/// The parts of the requests that kept an SLO, of all that count: those that failed kept nothing,
/// those that were cancelled do not count.
struct Attainment {
  int64_t requests = 0;
  double both = 0;
  double ttft = 0;
  double tpot = 0;
};
/// A request of one output token keeps any TPOT.
Attainment MeasureAttainment(std::span<const Record> records, const Slo& slo);

struct AttainmentPoint {
  double scale = 1;
  double attainment = 0;
};
/// Attainment of the SLO multiplied by scales from 0.1 to 10, evenly by their logarithm.
std::vector<AttainmentPoint> AttainmentCurve(std::span<const Record> records, const Slo& slo);

}  // namespace baton::loadgen
