#include "request_trace.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace baton::router {

RequestTrace::RequestTrace(std::string request, TimePoint arrived, const TraceContext& parent,
                           const Takers& takers)
    : request_(std::move(request)),
      arrived_(arrived),
      parent_(parent.span),
      takers_(takers),
      here_(parent),
      recorder_("router", arrived),
      sent_(arrived) {
  if (takers_.tracer != nullptr) here_.span = takers_.tracer->NextSpan();
}

void RequestTrace::Stage(std::string name, TimePoint end, std::vector<telemetry::SpanArg> args) {
  recorder_.Stage(std::move(name), end, std::move(args));
}

void RequestTrace::OnSent(TimePoint now, std::vector<AskedWorker> asked) {
  sent_ = now;
  asked_ = std::move(asked);
  ++attempt_;
  difference_.reset();
}

void RequestTrace::OnReport(std::vector<telemetry::ProcessTrace> traces, TimePoint heard) {
  if (traces.empty()) return;
  if (!difference_) difference_ = telemetry::CompareClocks(traces.front(), sent_, heard);
  const std::string teller = traces.front().process;
  for (telemetry::ProcessTrace& trace : traces) {
    telemetry::BringToOurClock(trace, *difference_);
    const auto known = std::find_if(workers_.begin(), workers_.end(), [&](const auto& worker) {
      return worker.trace.process == trace.process && worker.attempt == attempt_;
    });
    if (known == workers_.end()) {
      Add(std::move(trace), teller);
      continue;
    }
    std::move(trace.spans.begin(), trace.spans.end(), std::back_inserter(known->trace.spans));
    known->trace.dropped += trace.dropped;
    known->trace.answered = trace.answered;
  }
}

void RequestTrace::Add(telemetry::ProcessTrace trace, const std::string& teller) {
  const auto asked = std::find_if(asked_.begin(), asked_.end(), [&](const AskedWorker& worker) {
    return worker.name == trace.process;
  });
  const std::string asked_by = trace.process == teller ? "" : teller;
  workers_.push_back({.trace = std::move(trace),
                      .role = asked == asked_.end() ? "" : asked->role,
                      .asked_by = asked_by,
                      .attempt = attempt_});
}

void RequestTrace::Finish(TimePoint now, Summary summary) {
  telemetry::ProcessTrace router = recorder_.Take(now);
  if (takers_.tracer != nullptr) {
    summary.attributes.push_back({"baton.request.id", request_});
    telemetry::TraceSpan span{.where = here_,
                              .parent = parent_,
                              .kind = telemetry::TraceSpan::Kind::kInternal,
                              .name = "request",
                              .begin = arrived_,
                              .end = now,
                              .attributes = std::move(summary.attributes),
                              .error = std::move(summary.error)};
    auto all = SpansOf(std::move(span), router, workers_, *takers_.tracer);
    // The request's own last: whoever has it has them all.
    std::for_each(all.rbegin(), all.rend(), [&](telemetry::ProcessSpans& spans) {
      takers_.tracer->sink().Take(std::move(spans));
    });
  }
  if (takers_.writer == nullptr) return;
  std::vector<telemetry::ProcessTrace> processes{std::move(router)};
  for (WorkerTrace& worker : workers_) processes.push_back(std::move(worker.trace));
  takers_.writer->Write(request_, std::move(processes));
}

}  // namespace baton::router
