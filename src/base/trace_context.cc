#include "baton/base/trace_context.h"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace baton {
namespace {

/// version "-" trace-id "-" parent-id "-" trace-flags
constexpr size_t kVersion = 2;
constexpr size_t kTraceEnd = 35;
constexpr size_t kSpanEnd = 52;
constexpr size_t kWhole = 55;
constexpr uint64_t kSampled = 1;

constexpr size_t kMaxStateBytes = 512;
constexpr size_t kMaxStateMembers = 32;
constexpr size_t kMaxStateText = 256;

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

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

bool IsStateKey(std::string_view key) {
  const auto is_first = [](char c) { return IsDigit(c) || ('a' <= c && c <= 'z'); };
  return !key.empty() && key.size() <= kMaxStateText && is_first(key.front()) &&
         std::all_of(key.begin(), key.end(), [&](char c) {
           return is_first(c) || std::string_view("_-*/@").find(c) != std::string_view::npos;
         });
}

/// Its commas and the blanks around it are gone already.
bool IsStateValue(std::string_view value) {
  return !value.empty() && value.size() <= kMaxStateText &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return ' ' <= c && c <= '~' && c != '='; });
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
  TraceContext context{
      .trace = {*high, *low}, .span = SpanId(*span), .sampled = (*flags & kSampled) != 0};
  if (!context.valid()) return std::nullopt;
  return context;
}

std::string ParseTracestate(std::string_view text) {
  if (text.size() > kMaxStateBytes) return {};
  std::vector<std::string_view> keys;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view member = Trim(text.substr(begin, end - begin));
    begin = end + 1;
    // Empty ones may be, and say nothing.
    if (member.empty()) continue;
    const size_t equals = std::min(member.find('='), member.size());
    const std::string_view key = member.substr(0, equals);
    if (equals == member.size() || !IsStateKey(key) || !IsStateValue(member.substr(equals + 1)) ||
        std::find(keys.begin(), keys.end(), key) != keys.end()) {
      return {};
    }
    keys.push_back(key);
  }
  if (keys.empty() || keys.size() > kMaxStateMembers) return {};
  return std::string(text);
}

TraceContext ReadTraceContext(std::string_view traceparent, std::string_view tracestate) {
  std::optional<TraceContext> context = ParseTraceparent(traceparent);
  if (!context) return {};
  context->state = ParseTracestate(tracestate);
  return *std::move(context);
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
