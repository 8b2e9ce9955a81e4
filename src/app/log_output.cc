#include "baton/app/log_output.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>

#include <poll.h>
#include <unistd.h>

#include "baton/base/log_format.h"

namespace baton::app {
namespace {

constexpr char kOwnName[] = "serve";

/// Differs by name, the same in each run.
int ColourOf(const std::string& name) {
  constexpr std::array kColours{36, 33, 35, 32, 34, 96, 93, 95, 92, 94};
  unsigned sum = 0;
  for (const char c : name) sum = sum * 31 + static_cast<unsigned char>(c);
  return kColours[sum % kColours.size()];
}

std::string TimeOfDay() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = ms / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
                static_cast<int>(ms % 1000));
  return text;
}

}  // namespace

void LogOutput::Write(const std::string& name, std::string_view line) {
  std::string text;
  if (dropped_lines_ > 0) {
    text =
        "\n" +
        OwnLine(kOwnName, "dropped " + std::to_string(dropped_lines_) + " lines that nobody took") +
        "\n";
  }
  // What does not come of our log, such as a library's last words, is made such an object.
  if (options_.json && !line.starts_with('{')) {
    text += OwnLine(name, line);
  } else {
    if (!options_.json) text += Prefix(name);
    text += line;
  }
  text += '\n';
  dropped_lines_ = WriteAll(text) ? 0 : dropped_lines_ + 1;
}

void LogOutput::Note(std::string_view text) {
  Write(kOwnName, options_.json ? OwnLine(kOwnName, text) : TimeOfDay() + " " + std::string(text));
}

void LogOutput::Warn(std::string_view text) {
  if (options_.json) return Write(kOwnName, OwnLine(kOwnName, text, LogLevel::kWarning));
  Note("warning: " + std::string(text));
}

std::string LogOutput::OwnLine(const std::string& name, std::string_view text,
                               LogLevel level) const {
  if (!options_.json) return Prefix(name) + std::string(text);
  return JsonLogLine(
      {.at = std::chrono::system_clock::now(), .level = level, .process = name, .message = text});
}

std::string LogOutput::Prefix(const std::string& name) const {
  std::string prefix = "[" + name;
  if (prefix.size() <= options_.name_width) prefix.resize(options_.name_width + 1, ' ');
  prefix += "]";
  if (!options_.colour) return prefix + " ";
  return "\x1b[" + std::to_string(ColourOf(name)) + "m" + prefix + "\x1b[0m ";
}

bool LogOutput::WriteAll(std::string_view text) {
  // A pipe that polls writable takes this much without blocking (PIPE_BUF).
  constexpr size_t kPiece = 4096;
  while (!text.empty()) {
    pollfd ready{options_.fd, POLLOUT, 0};
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(options_.patience);
    // Waits once per stall, so that a stuck reader does not hold up every line.
    const int timeout_ms = stalled_ ? 0 : static_cast<int>(patience.count());
    const int polled = poll(&ready, 1, timeout_ms);
    stalled_ = polled == 0;
    if (polled == 0) return false;
    const ssize_t written = write(options_.fd, text.data(), std::min(text.size(), kPiece));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace baton::app
