#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "baton/base/log_format.h"
#include "baton/base/logging.h"

namespace baton {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Set once, by SetLogFormat at the start of main, before other threads run.
bool& Json() {
  static bool json = false;
  return json;
}

std::shared_ptr<spdlog::logger> MakeLogger(const std::string& name) {
  auto logger = std::make_shared<spdlog::logger>(
      name, std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern(Json() ? "%v" : "%H:%M:%S.%e %^%-7l%$ %n: %v");
  logger->flush_on(spdlog::level::info);
  return logger;
}

/// Replaced once, by SetLogName at the start of main, before other threads run.
std::shared_ptr<spdlog::logger>& Logger() {
  static std::shared_ptr<spdlog::logger> logger = MakeLogger("baton");
  return logger;
}

}  // namespace

void SetLogLevel(LogLevel level) { Logger()->set_level(ToSpdlog(level)); }

void SetLogName(const std::string& name) {
  const auto level = Logger()->level();
  Logger() = MakeLogger(name);
  Logger()->set_level(level);
}

void SetLogFormat(LogFormat format) {
  Json() = format == LogFormat::kJson;
  SetLogName(Logger()->name());
}

bool LogEnabled(LogLevel level) { return Logger()->should_log(ToSpdlog(level)); }

LogLine::~LogLine() {
  const std::string text = text_.str();
  Logger()->log(ToSpdlog(level_), Json() ? JsonLogLine({.at = std::chrono::system_clock::now(),
                                                        .level = level_,
                                                        .process = Logger()->name(),
                                                        .message = text})
                                         : OneLine(text));
}

}  // namespace baton
