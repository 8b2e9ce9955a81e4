#include "request_spans.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace baton::router {
namespace {

using telemetry::Attribute;
using telemetry::ProcessSpans;
using telemetry::ProcessTrace;
using telemetry::Span;
using telemetry::TraceSpan;

constexpr char kStages[] = "stages";
constexpr char kStep[] = "decode step";
/// What the router calls the end of an attempt, before the cause.
constexpr std::string_view kEnded = "ended: ";

std::vector<Attribute> AttributesOf(const Span& span) {
  std::vector<Attribute> attributes;
  for (const telemetry::SpanArg& arg : span.args) {
    std::string name = "baton." + arg.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    attributes.push_back({std::move(name), arg.value});
  }
  return attributes;
}

TimePoint EndOf(const ProcessTrace& trace) {
  TimePoint end = trace.received;
  for (const Span& span : trace.spans) end = std::max(end, span.end);
  // The steps that there was no room for came last.
  return trace.dropped > 0 ? std::max(end, trace.answered) : end;
}

/// What one process did.
class ProcessTree {
 public:
  ProcessTree(const TraceContext& where, telemetry::Tracer& tracer)
      : where_(where), tracer_(tracer) {}

  TraceSpan Make(std::string name, SpanId parent, TimePoint begin, TimePoint end) const {
    TraceContext where = where_;
    where.span = tracer_.NextSpan();
    return {.where = where,
            .parent = parent,
            .kind = TraceSpan::Kind::kInternal,
            .name = std::move(name),
            .begin = begin,
            .end = end,
            .attributes = {},
            .error = {}};
  }

  /// The stages within `parent`, and what else went on within those, or `parent`.
  std::vector<TraceSpan> Inner(const ProcessTrace& trace, SpanId parent) {
    for (const Span& span : trace.spans) {
      if (span.row == kStages) AddStage(span, parent);
    }
    if (trace.dropped > 0 && steps_ > 0) stages_.back().end = EndOf(trace);
    std::vector<TraceSpan> spans = stages_;
    for (const Span& span : trace.spans) {
      if (span.row == kStages) continue;
      const SpanId within = StageOf(span.begin, span.end).value_or(parent);
      spans.push_back(Make(span.name, within, span.begin, span.end));
      spans.back().attributes = AttributesOf(span);
    }
    return spans;
  }

  /// The stage in which something went on from `begin` to `end`.
  std::optional<SpanId> StageOf(TimePoint begin, TimePoint end) const {
    for (const TraceSpan& stage : stages_) {
      if (stage.begin <= begin && end <= stage.end) return stage.where.span;
    }
    return std::nullopt;
  }

 private:
  void AddStage(const Span& span, SpanId parent) {
    steps_ = span.name == kStep ? steps_ + 1 : 0;
    if (steps_ <= 1) {
      stages_.push_back(Make(span.name, parent, span.begin, span.end));
      stages_.back().attributes = AttributesOf(span);
    }
    TraceSpan& stage = stages_.back();
    if (steps_ > 0) {
      stage.name = "decode";
      stage.end = span.end;
      stage.attributes = {{"baton.tokens", steps_}};
    } else if (span.name.starts_with(kEnded)) {
      stage.name = "failed attempt";
      stage.error = span.name.substr(kEnded.size());
      stage.attributes.push_back({"error.type", stage.error});
    }
  }

  const TraceContext where_;
  telemetry::Tracer& tracer_;
  std::vector<TraceSpan> stages_;
  /// How many steps the last of them stands for; 0: it is something else.
  int64_t steps_ = 0;
};

/// A worker's span in an attempt, which holds what it did there.
TraceSpan WholeOf(const WorkerTrace& worker, SpanId parent, const ProcessTree& tree) {
  const ProcessTrace& trace = worker.trace;
  TraceSpan whole = tree.Make(worker.asked_by.empty() ? "generate" : "hand-off", parent,
                              trace.received, EndOf(trace));
  whole.kind = TraceSpan::Kind::kServer;
  whole.attributes = {{"baton.worker", trace.process}, {"baton.attempt", int64_t{worker.attempt}}};
  if (trace.uncertainty > Duration::zero()) {
    whole.attributes.push_back({"baton.clock_uncertainty_seconds", Seconds(trace.uncertainty)});
  }
  if (trace.dropped > 0) whole.attributes.push_back({"baton.dropped_spans", trace.dropped});
  return whole;
}

}  // namespace

std::vector<ProcessSpans> SpansOf(TraceSpan request, const ProcessTrace& router,
                                  const std::vector<WorkerTrace>& workers,
                                  telemetry::Tracer& tracer) {
  const TraceContext where = request.where;
  std::vector<ProcessSpans> all(1);
  all[0] = {.process = router.process, .role = "router", .spans = {}};
  all[0].spans.push_back(std::move(request));
  for (TraceSpan& stage : ProcessTree(where, tracer).Inner(router, where.span)) {
    all[0].spans.push_back(std::move(stage));
  }
  // Whoever asked others has told before them.
  std::map<std::pair<int32_t, std::string>, std::pair<ProcessTree, SpanId>> before;
  for (const WorkerTrace& worker : workers) {
    SpanId parent = where.span;
    const auto asker = before.find({worker.attempt, worker.asked_by});
    if (asker != before.end()) {
      const auto& [tree, whole] = asker->second;
      parent = tree.StageOf(worker.trace.received, EndOf(worker.trace)).value_or(whole);
    }
    ProcessTree tree(where, tracer);
    ProcessSpans& spans = all.emplace_back();
    spans = {.process = worker.trace.process, .role = worker.role, .spans = {}};
    spans.spans.push_back(WholeOf(worker, parent, tree));
    const SpanId whole = spans.spans.front().where.span;
    for (TraceSpan& span : tree.Inner(worker.trace, whole)) spans.spans.push_back(std::move(span));
    before.try_emplace({worker.attempt, worker.trace.process}, std::move(tree), whole);
  }
  return all;
}

}  // namespace baton::router
