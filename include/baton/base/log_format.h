#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "baton/base/logging.h"

namespace baton {

enum class LogFormat {
  /// For people: "time level name: message".
  kText,
  /// One JSON object a line, as JsonLogLine() makes it.
  kJson,
};

/// How lines are written from now on. Before other threads run.
void SetLogFormat(LogFormat format);

/// What is logged at one moment.
struct LogEvent {
  std::chrono::system_clock::time_point at;
  LogLevel level = LogLevel::kInfo;
  std::string_view process;
  std::string_view message;
};

/// {"time": in UTC, "level": ..., "process": ..., "request": ..., "trace_id": ..., "message": ...}
/// without a line break. A message about one request begins with its LogSubject() and ": "; the ids
/// then are fields of their own, and others have none.
std::string JsonLogLine(const LogEvent& event);

/// `message` as one line whatever is in it: line breaks become " | ", other control characters
/// spaces. What others sent cannot look like a line of ours.
std::string OneLine(std::string_view message);

}  // namespace baton
