#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/loadgen/record.h"

namespace baton::loadgen {

/// The value below which a part `q` of the sorted values lies, interpolated between neighbours as
/// NumPy does by default. REQUIRES: values, 0 <= q <= 1.
double Percentile(std::span<const double> sorted, double q);

/// Of a quantity in milliseconds.
struct Summary {
  int64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;
  double max = 0;
  /// The values in order.
  std::vector<double> sorted;
};
/// Zeros for no values.
Summary Summarise(std::vector<double> values);

/// What a load measured, of its whole answers unless it says otherwise.
struct Figures {
  int64_t done = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  /// Failures by kind, and one message of each.
  std::map<std::string, int64_t> errors;
  std::map<std::string, std::string> error_samples;
  /// From the first due time to the last end.
  double duration_s = 0;
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  /// Answers without the server's usage, whose tokens are counted by pieces.
  int64_t without_usage = 0;
  /// Times from when a request was due.
  Summary ttft_ms;
  Summary e2e_ms;
  /// The same from when it was sent.
  Summary ttft_from_sent_ms;
  Summary e2e_from_sent_ms;
  Summary tpot_ms;
  /// Of each gap between the pieces of an answer.
  Summary itl_ms;
  /// Sent minus due, of all requests.
  Summary lateness_ms;
};
Figures Measure(std::span<const Record> records);

inline double Milliseconds(Duration duration) { return 1e3 * Seconds(duration); }

/// What ran and came out, by intervals of equal length from the start of the load.
struct Timeline {
  double interval_s = 1;
  /// Means over the interval: requests that are due and have no text yet; those that have.
  std::vector<double> waiting;
  std::vector<double> running;
  std::vector<double> output_tokens_per_s;
};
/// At most `intervals` of them.
Timeline MakeTimeline(std::span<const Record> records, int intervals);

}  // namespace baton::loadgen
