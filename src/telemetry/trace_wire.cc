#include <algorithm>

#include "baton/telemetry/trace.h"
#include "baton/v1/trace.pb.h"

namespace baton::telemetry {
namespace {

constexpr int kMostArgs = 8;
constexpr size_t kLongestText = 64;
/// Nine years, in nanoseconds: times can be added and subtracted without overflow.
constexpr int64_t kLongestTime = int64_t{1} << 58;

bool IsSane(const std::string& text) { return text.size() <= kLongestText; }
bool IsSane(int64_t ns) { return -kLongestTime <= ns && ns <= kLongestTime; }

bool FromProto(const v1::ProcessTrace::Span& from, TimePoint received, Span& to) {
  if (!IsSane(from.name()) || !IsSane(from.row()) || !IsSane(from.begin_ns()) ||
      !IsSane(from.duration_ns()) || from.duration_ns() < 0 || from.args_size() > kMostArgs) {
    return false;
  }
  to.name = from.name();
  to.row = from.row();
  to.begin = received + Duration(from.begin_ns());
  to.end = to.begin + Duration(from.duration_ns());
  for (const v1::ProcessTrace::Arg& arg : from.args()) {
    if (!IsSane(arg.name())) return false;
    to.args.push_back({arg.name(), arg.value()});
  }
  return true;
}

}  // namespace

std::string SerializeTrace(const ProcessTrace& trace) {
  v1::ProcessTrace proto;
  proto.set_process(trace.process.substr(0, kLongestText));
  proto.set_received_ns(trace.received.time_since_epoch().count());
  proto.set_answered_ns(trace.answered.time_since_epoch().count());
  proto.set_dropped(trace.dropped);
  proto.set_uncertainty_ns(trace.uncertainty.count());
  for (const Span& span : trace.spans) {
    v1::ProcessTrace::Span& to = *proto.add_spans();
    to.set_name(span.name);
    to.set_row(span.row);
    to.set_begin_ns((span.begin - trace.received).count());
    to.set_duration_ns((span.end - span.begin).count());
    for (const SpanArg& arg : span.args) {
      v1::ProcessTrace::Arg& added = *to.add_args();
      added.set_name(arg.name);
      added.set_value(arg.value);
    }
  }
  return proto.SerializeAsString();
}

std::optional<ProcessTrace> ParseTrace(std::string_view bytes) {
  v1::ProcessTrace proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      proto.spans_size() > static_cast<int>(kMostSpans) || !IsSane(proto.process()) ||
      !IsSane(proto.received_ns()) || !IsSane(proto.answered_ns()) ||
      !IsSane(proto.uncertainty_ns())) {
    return std::nullopt;
  }
  ProcessTrace trace{.process = proto.process(),
                     .received = TimePoint(Duration(proto.received_ns())),
                     .answered = TimePoint(Duration(proto.answered_ns())),
                     .spans = {},
                     .dropped = std::max<int64_t>(0, proto.dropped()),
                     .uncertainty = Duration(proto.uncertainty_ns())};
  trace.spans.resize(static_cast<size_t>(proto.spans_size()));
  for (int i = 0; i < proto.spans_size(); ++i) {
    if (!FromProto(proto.spans(i), trace.received, trace.spans[static_cast<size_t>(i)])) {
      return std::nullopt;
    }
  }
  return trace;
}

}  // namespace baton::telemetry
