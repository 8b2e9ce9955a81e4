#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "baton/telemetry/trace.h"

namespace baton::telemetry {
namespace {

std::string JsonString(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned char>(c));
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Microseconds(Duration duration) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3f", static_cast<double>(duration.count()) / 1000);
  return buffer;
}

/// The rows of one process. Spans that overlap must not share one, so that a row gets lanes.
class Rows {
 public:
  /// The number of the lane of `row` that is free from `begin` on, and whether it is new.
  std::pair<int, bool> Take(const std::string& row, TimePoint begin, TimePoint end) {
    std::vector<Lane>& lanes = rows_[row];
    for (Lane& lane : lanes) {
      if (lane.busy_until > begin) continue;
      lane.busy_until = end;
      return {lane.number, false};
    }
    lanes.push_back({++last_number_, end});
    return {last_number_, true};
  }

 private:
  struct Lane {
    int number = 0;
    TimePoint busy_until;
  };
  std::map<std::string, std::vector<Lane>> rows_;
  int last_number_ = 0;
};

class Writer {
 public:
  explicit Writer(TimePoint origin) : origin_(origin) {}

  void Add(const ProcessTrace& process) {
    ++pid_;
    Name("process_name", 0, "name", JsonString(process.process));
    Name("process_sort_index", 0, "sort_index", std::to_string(pid_));
    std::string label = process.uncertainty > Duration::zero()
                            ? "clock within " + Microseconds(process.uncertainty) + " us"
                            : "";
    if (process.dropped > 0) label += " " + std::to_string(process.dropped) + " spans dropped";
    if (!label.empty()) Name("process_labels", 0, "labels", JsonString(label));
    std::vector<Span> spans = process.spans;
    std::stable_sort(spans.begin(), spans.end(),
                     [](const Span& a, const Span& b) { return a.begin < b.begin; });
    Rows rows;
    for (const Span& span : spans) {
      const auto [lane, is_new] = rows.Take(span.row, span.begin, span.end);
      if (is_new) Name("thread_name", lane, "name", JsonString(span.row));
      Add(span, lane);
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  void Name(const char* kind, int lane, const char* what, const std::string& value) {
    Begin("M", kind, lane);
    out_ += std::string(",\"args\":{\"") + what + "\":" + value + "}}";
  }
  void Add(const Span& span, int lane) {
    Begin("X", span.name, lane);
    out_ += ",\"ts\":" + Microseconds(span.begin - origin_) +
            ",\"dur\":" + Microseconds(span.end - span.begin) + ",\"args\":{";
    for (size_t i = 0; i < span.args.size(); ++i) {
      out_ += (i > 0 ? "," : "") + JsonString(span.args[i].name) + ":" +
              std::to_string(span.args[i].value);
    }
    out_ += "}}";
  }
  void Begin(const char* phase, const std::string& name, int lane) {
    out_ += out_.empty() ? "\n" : ",\n";
    out_ += std::string("{\"ph\":\"") + phase + "\",\"pid\":" + std::to_string(pid_) +
            ",\"tid\":" + std::to_string(lane) + ",\"name\":" + JsonString(name);
  }

  const TimePoint origin_;
  int pid_ = 0;
  std::string out_;
};

}  // namespace

std::string ChromeTraceJson(const std::string& request,
                            const std::vector<ProcessTrace>& processes) {
  TimePoint origin = TimePoint::max();
  for (const ProcessTrace& process : processes) {
    for (const Span& span : process.spans) origin = std::min(origin, span.begin);
  }
  Writer writer(origin);
  for (const ProcessTrace& process : processes) writer.Add(process);
  return "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"request\":" + JsonString(request) +
         "},\"traceEvents\":[" + writer.Take() + "\n]}\n";
}

}  // namespace baton::telemetry
