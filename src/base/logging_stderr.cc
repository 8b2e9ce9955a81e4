#include <atomic>
#include <cstdio>

#include "baton/base/log_format.h"
#include "baton/base/logging.h"

namespace baton {
namespace {

std::atomic<LogLevel> least_level{LogLevel::kInfo};

/// Set once, by SetLogFormat at the start of main, before other threads run.
bool json = false;

/// Replaced once, by SetLogName at the start of main, before other threads run.
std::string& LogName() {
  static std::string name = "baton";
  return name;
}

}  // namespace

void SetLogLevel(LogLevel level) { least_level = level; }
void SetLogName(const std::string& name) { LogName() = name; }
void SetLogFormat(LogFormat format) { json = format == LogFormat::kJson; }
bool LogEnabled(LogLevel level) { return level >= least_level.load(); }

LogLine::~LogLine() {
  static constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  const std::string text = text_.str();
  if (json) {
    const std::string line = JsonLogLine({.at = std::chrono::system_clock::now(),
                                          .level = level_,
                                          .process = LogName(),
                                          .message = text});
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  std::fprintf(stderr, "%-7s %s: %s\n", kNames[static_cast<int>(level_)], LogName().c_str(),
               OneLine(text).c_str());
}

}  // namespace baton
