#include "baton/loadgen/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "baton/base/check.h"

namespace baton::loadgen {
namespace {

/// The values of every answer, to be summed up.
struct Samples {
  std::vector<double> ttft, ttft_from_sent, e2e, e2e_from_sent, tpot, itl, lateness;

  void Add(const Record& record) {
    ttft.push_back(Milliseconds(record.ttft()));
    ttft_from_sent.push_back(Milliseconds(record.ttft_from_sent()));
    e2e.push_back(Milliseconds(record.end - record.due));
    e2e_from_sent.push_back(Milliseconds(record.end - record.sent));
    if (const auto each = record.tpot()) tpot.push_back(Milliseconds(*each));
    for (size_t i = 1; i < record.pieces.size(); ++i) {
      itl.push_back(Milliseconds(record.pieces[i] - record.pieces[i - 1]));
    }
  }
};

void Count(const Record& record, Figures& figures) {
  switch (record.outcome) {
    case Outcome::kDone:
      ++figures.done;
      figures.prompt_tokens += record.prompt_tokens;
      figures.output_tokens += record.output_tokens;
      figures.without_usage += record.usage ? 0 : 1;
      break;
    case Outcome::kFailed:
      ++figures.failed;
      ++figures.errors[record.error];
      figures.error_samples.emplace(record.error, record.message);
      break;
    case Outcome::kCancelled: ++figures.cancelled; break;
  }
}

}  // namespace

double Percentile(std::span<const double> sorted, double q) {
  BATON_CHECK(!sorted.empty() && q >= 0 && q <= 1);
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - std::floor(place));
}

Summary Summarise(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  Summary summary{.count = static_cast<int64_t>(values.size()),
                  .mean = std::accumulate(values.begin(), values.end(), 0.0) /
                          static_cast<double>(values.size()),
                  .p50 = Percentile(values, 0.5),
                  .p90 = Percentile(values, 0.9),
                  .p95 = Percentile(values, 0.95),
                  .p99 = Percentile(values, 0.99),
                  .max = values.back()};
  summary.sorted = std::move(values);
  return summary;
}

Figures Measure(std::span<const Record> records) {
  Figures figures;
  Samples samples;
  Duration first = Duration::max();
  Duration last = Duration::min();
  for (const Record& record : records) {
    Count(record, figures);
    samples.lateness.push_back(Milliseconds(record.sent - record.due));
    first = std::min(first, record.due);
    last = std::max(last, record.end);
    if (record.done()) samples.Add(record);
  }
  if (!records.empty()) figures.duration_s = Seconds(last - first);
  figures.ttft_ms = Summarise(std::move(samples.ttft));
  figures.ttft_from_sent_ms = Summarise(std::move(samples.ttft_from_sent));
  figures.e2e_ms = Summarise(std::move(samples.e2e));
  figures.e2e_from_sent_ms = Summarise(std::move(samples.e2e_from_sent));
  figures.tpot_ms = Summarise(std::move(samples.tpot));
  figures.itl_ms = Summarise(std::move(samples.itl));
  figures.lateness_ms = Summarise(std::move(samples.lateness));
  return figures;
}

}  // namespace baton::loadgen
