#pragma once

#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/telemetry/trace.h"
#include "baton/telemetry/trace_writer.h"
#include "baton/telemetry/tracer.h"
#include "request_spans.h"

namespace baton::router {

/// Gathers what a request did here and at its workers, and has it written, or sent as spans. Only
/// requests that are traced have one. *Threads*: as RoutedRequest: one call after the other.
class RequestTrace {
 public:
  /// Who takes the whole, each of them or one; both outlive this.
  struct Takers {
    telemetry::TraceWriter* writer = nullptr;
    telemetry::Tracer* tracer = nullptr;
  };
  /// How the request went.
  struct Summary {
    std::vector<telemetry::Attribute> attributes;
    /// Empty: well.
    std::string error;
  };

  /// `parent` is where in a trace the request is, which it need not be without a tracer.
  RequestTrace(std::string request, TimePoint arrived, const TraceContext& parent,
               const Takers& takers);

  /// Where those are that work for the request.
  const TraceContext& context() const { return here_; }
  /// What the router did since the last stage, until `end`.
  void Stage(std::string name, TimePoint end, std::vector<telemetry::SpanArg> args = {});
  /// An attempt begins, at these workers. Their times are brought to our clock by this one and that
  /// of the first report.
  void OnSent(TimePoint now, std::vector<AskedWorker> asked);
  void OnReport(std::vector<telemetry::ProcessTrace> traces, TimePoint heard);
  /// Hands everything to the takers.
  void Finish(TimePoint now, Summary summary);

 private:
  void Add(telemetry::ProcessTrace trace, const std::string& teller);

  const std::string request_;
  const TimePoint arrived_;
  const SpanId parent_;
  const Takers takers_;
  TraceContext here_;
  telemetry::TraceRecorder recorder_;
  std::vector<WorkerTrace> workers_;
  // The attempt.
  int32_t attempt_ = 0;
  std::vector<AskedWorker> asked_;
  TimePoint sent_;
  std::optional<telemetry::ClockDifference> difference_;
};

}  // namespace baton::router
