#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/trace_context.h"

namespace baton::telemetry {

struct Attribute {
  std::string name;
  std::variant<std::string, int64_t, double, std::vector<std::string>> value;
};

/// A span as OpenTelemetry has them: part of a trace that others add to.
struct TraceSpan {
  /// Where it is: `where.span` is its own.
  TraceContext where;
  /// Zero: it is the first of its trace.
  SpanId parent{};
  enum class Kind { kInternal, kServer };
  Kind kind = Kind::kInternal;
  std::string name;
  TimePoint begin;
  TimePoint end;
  std::vector<Attribute> attributes;
  /// What went wrong; empty: nothing did.
  std::string error;
};

/// Spans of one process, e.g. of "d0".
struct ProcessSpans {
  std::string process;
  /// "router", or that of a worker; empty where it is not known.
  std::string role;
  std::vector<TraceSpan> spans;
};

/// Where spans go. *Threads*: thread-safe; nothing blocks.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void Take(ProcessSpans spans) = 0;
};

/// Of which requests there are spans.
struct Sampling {
  /// Whoever began a trace elsewhere decided that; else `ratio` does of all.
  bool heeds_parent = true;
  /// The part of traces, from 0 to 1; always the same ones.
  double ratio = 1;
};

/// Decides of which requests there are spans, and names them. *Threads*: thread-safe.
class Tracer {
 public:
  /// REQUIRES: `sink` and `clock` outlive this.
  Tracer(SpanSink& sink, const Sampling& sampling, const Clock& clock, uint64_t seed)
      : sink_(sink), sampling_(sampling), clock_(clock), seed_(seed) {}

  /// Where a request is that came with `remote`: where it is sampled in a span of its own, in that
  /// trace or, where that is not valid, in a new one; else still there.
  TraceContext Enter(const TraceContext& remote);
  SpanId NextSpan() { return SpanId(Draw().first | 1); }
  SpanSink& sink() { return sink_; }
  const Clock& clock() const { return clock_; }

 private:
  std::pair<uint64_t, uint64_t> Draw();

  SpanSink& sink_;
  const Sampling sampling_;
  const Clock& clock_;
  const uint64_t seed_;
  std::atomic<uint64_t> drawn_{0};
};

/// A span of the router that ends, and goes to the tracer's sink, with this.
/// *Threads*: lives on one thread.
class OpenSpan {
 public:
  /// From `begin` on. REQUIRES: `tracer` outlives this.
  OpenSpan(Tracer& tracer, TraceSpan span) : tracer_(tracer), span_(std::move(span)) {}
  ~OpenSpan();
  OpenSpan(const OpenSpan&) = delete;
  OpenSpan& operator=(const OpenSpan&) = delete;

  void Set(std::string name, decltype(Attribute::value) value) {
    span_.attributes.push_back({std::move(name), std::move(value)});
  }
  /// As error.type and the span's status.
  void Fail(const std::string& error);

 private:
  Tracer& tracer_;
  TraceSpan span_;
};

/// The span of a request that came with `remote`, or null where there is none: nobody traces, or
/// this request is not sampled. `here` is where the request is either way, for logs and whoever is
/// asked on its behalf; it is not valid where it is part of no trace. `tracer` may be null.
std::unique_ptr<OpenSpan> EnterSpan(Tracer* tracer, TraceContext remote, std::string_view name,
                                    TraceContext& here);

}  // namespace baton::telemetry
