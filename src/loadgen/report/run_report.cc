#include "baton/loadgen/report.h"

namespace baton::loadgen {
namespace {

constexpr int kIntervals = 120;

}  // namespace

RunReport MakeRunReport(const LoadResult& result, const std::vector<Slo>& slos) {
  RunReport report{.figures = Measure(result.records),
                   .timeline = MakeTimeline(result.records, kIntervals),
                   .stopped = result.stopped};
  for (const Slo& slo : slos) {
    report.slos.push_back({.slo = slo,
                           .attainment = MeasureAttainment(result.records, slo),
                           .curve = AttainmentCurve(result.records, slo)});
  }
  if (result.elapsed > Duration::zero()) {
    report.cpu_share = Seconds(result.cpu) / Seconds(result.elapsed);
  }
  return report;
}

}  // namespace baton::loadgen
