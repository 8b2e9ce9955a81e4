#pragma once

#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/telemetry/trace.h"
#include "baton/telemetry/trace_writer.h"

namespace baton::router {

/// Gathers what a request did here and at its workers, and has it written. Only requests that are
/// traced have one. *Threads*: as RoutedRequest: one call after the other.
class RequestTrace {
 public:
  /// `writer` outlives this.
  RequestTrace(std::string request, TimePoint arrived, telemetry::TraceWriter& writer);

  /// What the router did since the last stage, until `end`.
  void Stage(std::string name, TimePoint end, std::vector<telemetry::SpanArg> args = {});
  /// A worker is asked. Its times are brought to our clock by this one and that of its first
  /// report.
  void OnSent(TimePoint now);
  void OnReport(std::vector<telemetry::ProcessTrace> traces, TimePoint heard);
  /// Hands everything to the writer.
  void Finish(TimePoint now);

 private:
  const std::string request_;
  telemetry::TraceWriter& writer_;
  telemetry::TraceRecorder recorder_;
  std::vector<telemetry::ProcessTrace> workers_;
  TimePoint sent_;
  std::optional<telemetry::ClockDifference> difference_;
};

}  // namespace baton::router
