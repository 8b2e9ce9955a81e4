#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"

namespace baton::telemetry {

struct SpanArg {
  std::string name;
  int64_t value = 0;
};

/// One stage in the life of a request within one process.
struct Span {
  std::string name;
  /// What goes on at the same time is in different rows of the picture.
  std::string row;
  TimePoint begin;
  TimePoint end;
  std::vector<SpanArg> args;
};

/// What one process did for one request: plain values that cross processes.
struct ProcessTrace {
  std::string process;
  /// When the process was asked, and when it sent this; by the same clock as the spans.
  TimePoint received;
  TimePoint answered;
  std::vector<Span> spans;
  /// Spans that there was no room for.
  int64_t dropped = 0;
  /// How wrong the times may be, where they come from another clock.
  Duration uncertainty{};
};

inline constexpr size_t kMostSpans = 2048;

/// Collects the spans of one request in one process. Only requests that are traced have one.
class TraceRecorder {
 public:
  TraceRecorder(std::string process, TimePoint received);

  /// A stage of the row "stages", which follow one another: from the end of the last one, or from
  /// `received`, until `end`.
  void Stage(std::string name, TimePoint end, std::vector<SpanArg> args = {});
  /// Drops and counts the span when there are kMostSpans already.
  void Record(Span span);
  /// What was recorded since the last call.
  ProcessTrace Take(TimePoint answered);

 private:
  ProcessTrace trace_;
  TimePoint stage_begin_;
  size_t recorded_ = 0;
};

/// How far another process's clock is ahead of ours, and how wrong that may be.
struct ClockDifference {
  Duration ahead{};
  Duration uncertainty{};
};

/// As NTP does, from what we sent at `sent` and heard at `heard` by our clock: nothing arrives
/// before it was sent, which leaves an interval. Where no difference lies within it the clocks are
/// taken for the same one, as they are on one host: two hosts' clocks agree that well by chance
/// only, and then the error is as small.
ClockDifference CompareClocks(const ProcessTrace& theirs, TimePoint sent, TimePoint heard);
void BringToOurClock(ProcessTrace& trace, const ClockDifference& difference);

/// The protobuf message baton.v1.ProcessTrace.
std::string SerializeTrace(const ProcessTrace& trace);
/// Nothing unless `bytes` are such a message within sane limits.
std::optional<ProcessTrace> ParseTrace(std::string_view bytes);

/// The JSON that chrome://tracing and Perfetto read: a group of rows for each process. Times are in
/// microseconds from the earliest span on.
std::string ChromeTraceJson(const std::string& request, const std::vector<ProcessTrace>& processes);

}  // namespace baton::telemetry
