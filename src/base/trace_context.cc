#include "baton/base/trace_context.h"

#include <cstdio>

namespace baton {
namespace {

/// version "-" trace-id "-" parent-id "-" trace-flags
constexpr size_t kVersion = 2;
constexpr size_t kTraceEnd = 35;
constexpr size_t kSpanEnd = 52;
constexpr size_t kWhole = 55;
constexpr uint64_t kSampled = 1;

bool IsDigit(char c) { return '0' <= c && c <= '9'; }

/// Upper-case digits are refused, as the specification wants.
std::optional<uint64_t> Hex(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    if (!IsDigit(c) && !('a' <= c && c <= 'f')) return std::nullopt;
    value = (value << 4) | static_cast<uint64_t>(IsDigit(c) ? c - '0' : c - 'a' + 10);
  }
  return value;
}

std::string Hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::string TraceId::ToString() const { return Hex(high) + Hex(low); }

std::string ToString(SpanId id) { return Hex(static_cast<uint64_t>(id)); }

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  if (text.size() < kWhole || text[kVersion] != '-' || text[kTraceEnd] != '-' ||
      text[kSpanEnd] != '-') {
    return std::nullopt;
  }
  const auto version = Hex(text.substr(0, kVersion));
  if (!version || *version == 0xFF) return std::nullopt;
  // Later versions may say more behind another dash.
  if (text.size() > kWhole && (*version == 0 || text[kWhole] != '-')) return std::nullopt;
  const auto high = Hex(text.substr(kVersion + 1, 16));
  const auto low = Hex(text.substr(kVersion + 17, 16));
  const auto span = Hex(text.substr(kTraceEnd + 1, 16));
  const auto flags = Hex(text.substr(kSpanEnd + 1, 2));
  if (!high || !low || !span || !flags) return std::nullopt;
  TraceContext context{.trace = {*high, *low},
                       .span = SpanId(*span),
                       .sampled = (*flags & kSampled) != 0};
  if (!context.valid()) return std::nullopt;
  return context;
}

std::string Traceparent(const TraceContext& context) {
  return "00-" + context.trace.ToString() + "-" + ToString(context.span) +
         (context.sampled ? "-01" : "-00");
}

std::string LogSubject(std::string_view request, const TraceId& trace) {
  std::string subject = "request " + std::string(request);
  if (trace.valid()) subject += " trace_id=" + trace.ToString();
  return subject;
}

}  // namespace baton
