#include "baton/base/logging.h"

namespace baton {

Result<LogLevel> ParseLogLevel(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return InvalidArgument("unknown log level '" + name + "'; known are debug, info, warning, error");
}

}  // namespace baton
