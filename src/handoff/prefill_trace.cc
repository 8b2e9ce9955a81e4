#include "prefill_trace.h"

namespace baton::handoff {

void PrefillTrace::Start(const std::string& process, TimePoint received) {
  recorder_ = std::make_unique<telemetry::TraceRecorder>(process, received);
}

void PrefillTrace::Queued(TimePoint end, int32_t cached_tokens) {
  if (recorder_) recorder_->Stage("queued", end, {{"cached tokens", cached_tokens}});
}

void PrefillTrace::Prefilled(TimePoint end, int32_t tokens) {
  if (recorder_) recorder_->Stage("prefill", end, {{"tokens", tokens}});
}

void PrefillTrace::Flushed(TimePoint end) {
  if (recorder_) recorder_->Stage("flush", end);
}

void PrefillTrace::Chunk(const PrefillSide::Computed& computed, int32_t tokens, int32_t layer_begin,
                         int32_t layer_end) {
  if (!recorder_) return;
  recorder_->Record(
      {.name = "chunk",
       .row = "engine",
       .begin = computed.begin,
       .end = computed.end,
       .args = {{"to token", tokens}, {"from layer", layer_begin}, {"to layer", layer_end}}});
}

void PrefillTrace::Put(const PutUnderWay& put, TimePoint end) {
  if (!recorder_) return;
  recorder_->Record({.name = "put",
                     .row = "transfers",
                     .begin = put.begin,
                     .end = end,
                     .args = {{"bytes", put.bytes}, {"descriptors", put.descriptors}}});
}

std::optional<telemetry::ProcessTrace> PrefillTrace::Take(TimePoint now) {
  if (!recorder_) return std::nullopt;
  return recorder_->Take(now);
}

}  // namespace baton::handoff
