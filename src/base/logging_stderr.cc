#include <atomic>
#include <cstdio>

#include "baton/base/logging.h"

namespace baton {
namespace {

std::atomic<LogLevel> least_level{LogLevel::kInfo};

/// Replaced once, by SetLogName at the start of main, before other threads run.
std::string& LogName() {
  static std::string name = "baton";
  return name;
}

}  // namespace

void SetLogLevel(LogLevel level) { least_level = level; }
void SetLogName(const std::string& name) { LogName() = name; }
bool LogEnabled(LogLevel level) { return level >= least_level.load(); }

LogLine::~LogLine() {
  static constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  std::fprintf(stderr, "%-7s %s: %s\n", kNames[static_cast<int>(level_)], LogName().c_str(),
               text_.str().c_str());
}

}  // namespace baton
