#include "request_trace.h"

#include <algorithm>
#include <utility>

namespace baton::router {

RequestTrace::RequestTrace(std::string request, TimePoint arrived, telemetry::TraceWriter& writer)
    : request_(std::move(request)), writer_(writer), recorder_("router", arrived), sent_(arrived) {}

void RequestTrace::Stage(std::string name, TimePoint end, std::vector<telemetry::SpanArg> args) {
  recorder_.Stage(std::move(name), end, std::move(args));
}

void RequestTrace::OnSent(TimePoint now) {
  sent_ = now;
  difference_.reset();
}

void RequestTrace::OnReport(std::vector<telemetry::ProcessTrace> traces, TimePoint heard) {
  if (traces.empty()) return;
  if (!difference_) difference_ = telemetry::CompareClocks(traces.front(), sent_, heard);
  for (telemetry::ProcessTrace& trace : traces) {
    telemetry::BringToOurClock(trace, *difference_);
    const auto known = std::find_if(workers_.begin(), workers_.end(), [&](const auto& worker) {
      return worker.process == trace.process;
    });
    if (known == workers_.end()) {
      workers_.push_back(std::move(trace));
      continue;
    }
    std::move(trace.spans.begin(), trace.spans.end(), std::back_inserter(known->spans));
    known->dropped += trace.dropped;
  }
}

void RequestTrace::Finish(TimePoint now) {
  std::vector<telemetry::ProcessTrace> processes = std::exchange(workers_, {});
  processes.insert(processes.begin(), recorder_.Take(now));
  writer_.Write(request_, std::move(processes));
}

}  // namespace baton::router
