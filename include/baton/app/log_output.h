#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "baton/base/clock.h"
#include "baton/base/logging.h"

namespace baton::app {

struct LogOutputOptions {
  int fd = 2;
  /// Width of the longest name, for aligned prefixes.
  size_t name_width = 5;
  bool colour = false;
  /// Lines are JSON objects that say whose they are: no prefixes, and ours are such objects too.
  bool json = false;
  /// How long a reader that takes nothing may hold up a line before it is dropped.
  Duration patience = std::chrono::milliseconds(200);
};

/// The one log of several processes: "[p0    ] line", or lines as they are with `json`. Never
/// blocks for longer than `patience`; then lines are dropped, counted, and the count is logged.
class LogOutput {
 public:
  explicit LogOutput(const LogOutputOptions& options) : options_(options) {}

  void Write(const std::string& name, std::string_view line);
  /// A line of the supervisor itself, with the time.
  void Note(std::string_view text);
  void Warn(std::string_view text);

 private:
  bool WriteAll(std::string_view text);
  std::string OwnLine(const std::string& name, std::string_view text,
                      LogLevel level = LogLevel::kInfo) const;
  std::string Prefix(const std::string& name) const;

  const LogOutputOptions options_;
  /// Since the last line that was taken.
  int64_t dropped_lines_ = 0;
  bool stalled_ = false;
};

}  // namespace baton::app
