#include "baton/telemetry/trace.h"

#include <algorithm>
#include <utility>

namespace baton::telemetry {

TraceRecorder::TraceRecorder(std::string process, TimePoint received) : stage_begin_(received) {
  trace_.process = std::move(process);
  trace_.received = received;
}

void TraceRecorder::Stage(std::string name, TimePoint end, std::vector<SpanArg> args) {
  const TimePoint begin = std::exchange(stage_begin_, std::max(stage_begin_, end));
  Record({std::move(name), "stages", begin, stage_begin_, std::move(args)});
}

void TraceRecorder::Record(Span span) {
  if (recorded_ == kMostSpans) {
    ++trace_.dropped;
    return;
  }
  ++recorded_;
  trace_.spans.push_back(std::move(span));
}

ProcessTrace TraceRecorder::Take(TimePoint answered) {
  ProcessTrace taken = trace_;
  taken.answered = answered;
  trace_.spans.clear();
  trace_.dropped = 0;
  return taken;
}

ClockDifference CompareClocks(const ProcessTrace& theirs, TimePoint sent, TimePoint heard) {
  const Duration most = theirs.received - sent;
  const Duration least = theirs.answered - heard;
  if (least <= Duration::zero() && Duration::zero() <= most) {
    return {.ahead = {}, .uncertainty = std::max(most, -least)};
  }
  return {.ahead = (most + least) / 2, .uncertainty = std::chrono::abs(most - least) / 2};
}

void BringToOurClock(ProcessTrace& trace, const ClockDifference& difference) {
  trace.received -= difference.ahead;
  trace.answered -= difference.ahead;
  for (Span& span : trace.spans) {
    span.begin -= difference.ahead;
    span.end -= difference.ahead;
  }
  trace.uncertainty += difference.uncertainty;
}

}  // namespace baton::telemetry
