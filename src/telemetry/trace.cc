#include "baton/telemetry/trace.h"

#include <cstdio>
#include <map>
#include <utility>

namespace baton::telemetry {
namespace {

std::string JsonString(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Microseconds(Duration duration) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3f", Seconds(duration) * 1e6);
  return buffer;
}

std::string NameEvent(const char* kind, int row, const std::string& name) {
  return std::string("{\"ph\":\"M\",\"pid\":1,\"tid\":") + std::to_string(row) + ",\"name\":\"" +
         kind + "\",\"args\":{\"name\":" + JsonString(name) + "}}";
}

}  // namespace

void TraceRecorder::Record(Span span) {
  std::lock_guard lock(mutex_);
  if (capacity_ == 0 || spans_.size() >= capacity_) {
    ++dropped_;
    if (capacity_ == 0) return;
    spans_.pop_front();
  }
  spans_.push_back(std::move(span));
}

std::vector<Span> TraceRecorder::Spans() const {
  std::lock_guard lock(mutex_);
  return {spans_.begin(), spans_.end()};
}

uint64_t TraceRecorder::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

std::string ChromeTraceJson(const std::vector<Span>& spans, const std::string& process) {
  std::string out = "{\"traceEvents\":[" + NameEvent("process_name", 0, process);
  std::map<std::string, int> rows;
  for (const Span& span : spans) {
    const auto [row, added] = rows.try_emplace(span.request, static_cast<int>(rows.size()) + 1);
    if (added) out += ",\n" + NameEvent("thread_name", row->second, span.request);
    out += ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":" + std::to_string(row->second) +
           ",\"name\":" + JsonString(span.name) +
           ",\"ts\":" + Microseconds(span.begin.time_since_epoch()) +
           ",\"dur\":" + Microseconds(span.end - span.begin) + "}";
  }
  return out + "]}\n";
}

}  // namespace baton::telemetry
