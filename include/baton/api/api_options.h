#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "baton/request/sampling_params.h"
#include "baton/telemetry/tracer.h"

namespace baton::api {

/// What one request may ask for. Beyond a limit it is refused, never the process.
struct ApiLimits {
  int json_depth = 64;
  /// Completions under way at once; one more is refused, to be tried again.
  int running_requests = 256;
  int prompts_per_request = 64;
  int choices_per_prompt = 16;
  int stop_strings = 16;
  /// Of all stop strings of a request together.
  size_t stop_bytes = 1024;
};

struct ApiOptions {
  /// The name that clients ask for.
  std::string model;
  /// Tokens of prompt and output together.
  int32_t context_tokens = 0;
  /// What holds where a request says nothing, e.g. from the model's generation_config.json. Its
  /// seed, max_tokens and logprobs are not used.
  SamplingParams sampling_defaults;
  std::string version;
  /// Names the build and model in responses: equal fingerprints give equal tokens for a seed.
  std::string system_fingerprint;
  /// Which parsers read the model's calls of tools and its reasoning; FindChatFormat.
  std::string tool_parser = "auto";
  std::string reasoning_parser = "auto";
  ApiLimits limits;
  /// Takes the spans of requests, and outlives whoever serves them; null: there are none.
  telemetry::Tracer* tracer = nullptr;
};

}  // namespace baton::api
