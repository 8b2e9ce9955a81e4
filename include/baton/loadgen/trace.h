#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/loadgen/arrivals.h"

namespace baton::loadgen {

/// One request that somebody's users once made.
struct TraceRequest {
  /// From the first request of the trace.
  Duration at{};
  int32_t prompt_tokens = 1;
  int32_t output_tokens = 1;
  /// What the prompt's blocks hold, one id per Trace::block_tokens: equal ids are equal content.
  /// Empty where the trace does not say.
  std::vector<int64_t> block_ids;
};

/// *Invariants*: requests in the order of their times, the first at 0.
struct Trace {
  std::vector<TraceRequest> requests;
  int32_t block_tokens = 0;

  /// Mean requests per second; 0 where all come at once.
  double Rate() const;
};

/// Reads the CSV of Azure's LLM inference traces of 2023 (TIMESTAMP,ContextTokens,GeneratedTokens)
/// or Mooncake's JSON lines (timestamp in ms, input_length, output_length, hash_ids per 512
/// tokens), whose times are rounded: those of one time are spread evenly until the next. The first
/// line tells which. Fails with InvalidArgument naming `name` and the line.
Result<Trace> ParseTrace(std::istream& in, const std::string& name);
/// The same of a file. Fails with NotFound when it cannot be read.
Result<Trace> ReadTrace(const std::filesystem::path& path);

struct TraceChanges {
  /// Of times: 0.5 replays in half the time.
  double time_scale = 1;
  /// Of lengths in tokens, prompts' and outputs' alike; what is shared stays shared.
  double length_scale = 1;
  /// Longer prompts and outputs are cut to these, after scaling.
  int32_t most_prompt_tokens = INT32_MAX;
  int32_t most_output_tokens = INT32_MAX;
  /// In times after scaling.
  Extent extent;
};

/// REQUIRES: positive scales.
Trace ChangeTrace(Trace trace, const TraceChanges& changes);

}  // namespace baton::loadgen
