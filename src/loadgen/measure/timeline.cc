#include <algorithm>
#include <cmath>

#include "baton/base/check.h"
#include "baton/loadgen/statistics.h"

namespace baton::loadgen {
namespace {

/// A length that a person would choose: 1, 2 or 5 times a power of ten.
double RoundUp(double length) {
  const double decade = std::pow(10, std::floor(std::log10(length)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    // What is equal but for the last bits is equal.
    if (length <= factor * decade * (1 + 1e-9)) return factor * decade;
  }
  return 10 * decade;
}

/// Adds to each interval the part of it that lies between two times.
void AddSpan(std::vector<double>& intervals, double interval_s, double from_s, double to_s) {
  if (to_s <= from_s) return;
  const auto first = static_cast<size_t>(from_s / interval_s);
  for (size_t i = first; i < intervals.size(); ++i) {
    const double begin = static_cast<double>(i) * interval_s;
    if (begin >= to_s) return;
    const double part = std::min(to_s, begin + interval_s) - std::max(from_s, begin);
    intervals[i] += part / interval_s;
  }
}

}  // namespace

Timeline MakeTimeline(std::span<const Record> records, int intervals) {
  BATON_CHECK(intervals > 0);
  Timeline timeline;
  double last_s = 0;
  for (const Record& record : records) last_s = std::max(last_s, Seconds(record.end));
  if (last_s <= 0) return timeline;
  timeline.interval_s = RoundUp(last_s / intervals);
  const auto count = static_cast<size_t>(std::floor(last_s / timeline.interval_s)) + 1;
  timeline.waiting.resize(count);
  timeline.running.resize(count);
  timeline.output_tokens_per_s.resize(count);
  for (const Record& record : records) {
    const Duration first = record.pieces.empty() ? record.end : record.pieces.front();
    AddSpan(timeline.waiting, timeline.interval_s, Seconds(record.due), Seconds(first));
    AddSpan(timeline.running, timeline.interval_s, Seconds(first), Seconds(record.end));
    // A piece may be several tokens, or some of them none.
    const double tokens = record.pieces.empty() ? 0
                                                : static_cast<double>(record.output_tokens) /
                                                      static_cast<double>(record.pieces.size());
    for (const Duration piece : record.pieces) {
      const auto interval = static_cast<size_t>(Seconds(piece) / timeline.interval_s);
      timeline.output_tokens_per_s[std::min(interval, count - 1)] += tokens / timeline.interval_s;
    }
  }
  return timeline;
}

}  // namespace baton::loadgen
