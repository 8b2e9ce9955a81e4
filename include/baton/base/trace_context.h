#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton {

/// A trace of W3C Trace Context: all that one request of somebody sets off, at whomever. Zero:
/// none.
struct TraceId {
  uint64_t high = 0;
  uint64_t low = 0;

  bool valid() const { return high != 0 || low != 0; }
  /// 32 lower-case hexadecimal digits.
  std::string ToString() const;
  auto operator<=>(const TraceId&) const = default;
};

/// One span of a trace. Zero: none.
enum class SpanId : uint64_t {};
/// 16 lower-case hexadecimal digits.
std::string ToString(SpanId id);

/// Where in a trace something happens.
struct TraceContext {
  TraceId trace;
  /// Within which it happens.
  SpanId span{};
  /// Whoever began the trace wants its spans.
  bool sampled = false;
  /// What the tracers before have said of their own: the header `tracestate`, passed on as it came.
  std::string state = {};

  bool valid() const { return trace.valid() && span != SpanId{}; }
  auto operator<=>(const TraceContext&) const = default;
};

/// Reads the header `traceparent`; of a version that is not known yet what version 00 says. Nothing
/// unless it is as it should be, https://www.w3.org/TR/trace-context/#traceparent-header: then its
/// sender is to be taken for one that sent none.
std::optional<TraceContext> ParseTraceparent(std::string_view text);
/// The header `tracestate`, its lines joined by commas, as it is to be passed on: unchanged. Empty
/// where it is not as it should be, https://www.w3.org/TR/trace-context/#tracestate-header, or
/// longer than 512 bytes.
std::string ParseTracestate(std::string_view text);
/// Both headers. Not valid unless the first is; the second changes nothing about that.
TraceContext ReadTraceContext(std::string_view traceparent, std::string_view tracestate);
/// As version 00. REQUIRES: `context` is valid.
std::string Traceparent(const TraceContext& context);
/// How log lines about a request begin, before ": ": "request ID", and " trace_id=..." where the
/// request is part of a trace.
std::string LogSubject(std::string_view request, const TraceId& trace);

}  // namespace baton
