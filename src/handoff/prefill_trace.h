#pragma once

#include <memory>
#include <optional>
#include <string>

#include "baton/handoff/prefill_side.h"
#include "baton/telemetry/trace.h"

namespace baton::handoff {

struct PutUnderWay {
  TimePoint begin;
  int64_t bytes = 0;
  int64_t descriptors = 0;
};

/// What the prefill side did for one hand-off; nothing is kept unless Start() was called.
/// *Threads*: lives on the transport thread.
class PrefillTrace {
 public:
  void Start(const std::string& process, TimePoint received);

  /// The stages end: waiting for blocks, computing, what was left to put after that.
  void Queued(TimePoint end, int32_t cached_tokens);
  void Prefilled(TimePoint end, int32_t tokens);
  void Flushed(TimePoint end);
  void Chunk(const PrefillSide::Computed& computed, int32_t tokens, int32_t layer_begin,
             int32_t layer_end);
  void Put(const PutUnderWay& put, TimePoint end);

  std::optional<telemetry::ProcessTrace> Take(TimePoint now);

 private:
  std::unique_ptr<telemetry::TraceRecorder> recorder_;
};

}  // namespace baton::handoff
