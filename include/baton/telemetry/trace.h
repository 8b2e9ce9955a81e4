#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "baton/base/clock.h"

namespace baton::telemetry {

/// One stage in the life of a request.
struct Span {
  std::string name;
  /// What the stage belongs to: a request id. One row of the picture.
  std::string request;
  TimePoint begin;
  TimePoint end;
};

/// Keeps the latest spans of this process. *Threads*: thread-safe; the mutex guards a short copy
/// that any thread may ask for, which a mailbox could not give without a thread of its own.
class TraceRecorder {
 public:
  explicit TraceRecorder(size_t capacity) : capacity_(capacity) {}

  /// Drops the oldest span when full.
  void Record(Span span);
  std::vector<Span> Spans() const;
  uint64_t dropped() const;

 private:
  const size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<Span> spans_;
  uint64_t dropped_ = 0;
};

/// The JSON that chrome://tracing and Perfetto read; `process` names the row group.
std::string ChromeTraceJson(const std::vector<Span>& spans, const std::string& process);

}  // namespace baton::telemetry
