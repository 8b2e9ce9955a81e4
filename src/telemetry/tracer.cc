#include "baton/telemetry/tracer.h"

#include "baton/base/random.h"

namespace baton::telemetry {
namespace {

/// As other tracers decide it, so that all keep the same traces of one ratio.
bool IsSampled(const TraceId& trace, double ratio) {
  return static_cast<double>(trace.low >> 1) < ratio * 0x1.0p63;
}

}  // namespace

std::pair<uint64_t, uint64_t> Tracer::Draw() {
  const uint64_t count = drawn_.fetch_add(1, std::memory_order_relaxed);
  const auto words =
      Philox4x32({static_cast<uint32_t>(count), static_cast<uint32_t>(count >> 32), 3, 0}, seed_);
  return {(uint64_t{words[0]} << 32) | words[1], (uint64_t{words[2]} << 32) | words[3]};
}

TraceContext Tracer::Enter(const TraceContext& remote) {
  TraceContext here = remote;
  if (!remote.valid()) {
    const auto [high, low] = Draw();
    here.trace = {high, low | 1};
  }
  if (!remote.valid() || !sampling_.heeds_parent) {
    here.sampled = IsSampled(here.trace, sampling_.ratio);
  }
  if (!here.sampled) {
    here = remote;
    here.sampled = false;
    return here;
  }
  here.span = NextSpan();
  return here;
}

OpenSpan::~OpenSpan() {
  span_.end = tracer_.clock().Now();
  ProcessSpans spans{.process = "router", .role = "router", .spans = {}};
  spans.spans.push_back(std::move(span_));
  tracer_.sink().Take(std::move(spans));
}

void OpenSpan::Fail(const std::string& error) {
  if (!span_.error.empty()) return;
  span_.error = error;
  Set("error.type", error);
}

std::unique_ptr<OpenSpan> EnterSpan(Tracer* tracer, TraceContext remote, std::string_view name,
                                    TraceContext& here) {
  here = tracer == nullptr ? remote : tracer->Enter(remote);
  if (tracer == nullptr || !here.sampled) return nullptr;
  return std::make_unique<OpenSpan>(*tracer, TraceSpan{.where = here,
                                                       .parent = remote.span,
                                                       .kind = TraceSpan::Kind::kServer,
                                                       .name = std::string(name),
                                                       .begin = tracer->clock().Now(),
                                                       .end = {},
                                                       .attributes = {},
                                                       .error = {}});
}

}  // namespace baton::telemetry
