#pragma once

#include <sstream>
#include <string>

#include "baton/base/status.h"

namespace baton {

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

/// Sets the least level written. Lines go to standard error as "time level name: message".
void SetLogLevel(LogLevel level);
/// The name of this process in its log lines, e.g. "decode-0".
void SetLogName(const std::string& name);
bool LogEnabled(LogLevel level);
/// Fails with InvalidArgument unless `name` is debug, info, warning or error.
Result<LogLevel> ParseLogLevel(const std::string& name);

/// One log line, written when it goes out of scope. *Threads*: thread-safe.
class LogLine {
 public:
  explicit LogLine(LogLevel level) : level_(level) {}
  ~LogLine();
  template <typename T>
  LogLine& operator<<(const T& value) {
    text_ << value;
    return *this;
  }

 private:
  LogLevel level_;
  std::ostringstream text_;
};

}  // namespace baton

/// `BATON_LOG(Info) << "joined " << name;` The operands are evaluated only when the level is on.
#define BATON_LOG(level)                                   \
  if (!::baton::LogEnabled(::baton::LogLevel::k##level)) { \
  } else                                                   \
    ::baton::LogLine(::baton::LogLevel::k##level)
