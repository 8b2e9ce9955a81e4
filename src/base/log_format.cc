#include "baton/base/log_format.h"

#include <cstdio>
#include <ctime>

namespace baton {
namespace {

constexpr std::string_view kRequest = "request ";
constexpr std::string_view kTrace = " trace_id=";

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

/// The bytes of the UTF-8 character at the beginning of `text`; 0: it is none.
size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  // Longer than need be, halves of a pair, and beyond Unicode.
  const bool bad = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                   (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return bad ? 0 : bytes;
}

void AppendField(std::string& out, const char* name, std::string_view value) {
  out += out.empty() ? "{\"" : ",\"";
  out += name;
  out += "\":\"";
  while (!value.empty()) {
    const size_t bytes = CharacterBytes(value);
    const char c = value.front();
    if (bytes == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (IsControl(c)) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
      out += escape;
    } else {
      out += value.substr(0, bytes);
    }
    value.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  out += '"';
}

std::string TimeText(std::chrono::system_clock::time_point at) {
  using std::chrono::milliseconds;
  const auto ms = std::chrono::floor<milliseconds>(at.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[96];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(ms % 1000));
  return text;
}

/// What a message is about.
struct Subject {
  std::string_view request;
  std::string_view trace;
};

/// Takes what LogSubject() made and ": " off `message`; empty where it does not begin so.
Subject TakeSubject(std::string_view& message) {
  if (!message.starts_with(kRequest)) return {};
  const size_t end = message.find(": ");
  if (end == std::string_view::npos) return {};
  Subject subject{.request = message.substr(kRequest.size(), end - kRequest.size()), .trace = {}};
  if (const size_t at = subject.request.find(kTrace); at != std::string_view::npos) {
    subject.trace = subject.request.substr(at + kTrace.size());
    subject.request = subject.request.substr(0, at);
  }
  const auto is_word = [](std::string_view text) {
    return text.find(' ') == std::string_view::npos;
  };
  if (subject.request.empty() || !is_word(subject.request) || !is_word(subject.trace)) return {};
  message = message.substr(end + 2);
  return subject;
}

}  // namespace

std::string JsonLogLine(const LogEvent& event) {
  static constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
  std::string_view message = event.message;
  const Subject subject = TakeSubject(message);
  std::string out;
  AppendField(out, "time", TimeText(event.at));
  AppendField(out, "level", kLevels[static_cast<int>(event.level)]);
  AppendField(out, "process", event.process);
  if (!subject.request.empty()) AppendField(out, "request", subject.request);
  if (!subject.trace.empty()) AppendField(out, "trace_id", subject.trace);
  AppendField(out, "message", message);
  return out + '}';
}

std::string OneLine(std::string_view message) {
  std::string line;
  line.reserve(message.size());
  for (const char c : message) {
    if (c == '\n') {
      line += " | ";
    } else {
      line += IsControl(c) ? ' ' : c;
    }
  }
  return line;
}

}  // namespace baton
