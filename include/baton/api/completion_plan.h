#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "baton/api/api_options.h"
#include "baton/base/clock.h"
#include "baton/base/ids.h"
#include "baton/request/sampling_params.h"
#include "baton/text/chat_template.h"
#include "baton/text/tokenizer.h"

namespace baton::api {

/// What requests are read against. *Threads*: immutable.
struct ServedModel {
  const ApiOptions& options;
  const text::Tokenizer& tokenizer;
  /// Null when the model has none.
  const text::ChatTemplate* chat_template;
  const Clock& clock;
  /// Of the vocabulary: a text of n bytes has at least n / this tokens.
  size_t longest_token_bytes;
};

struct PlannedPrompt {
  std::vector<TokenId> tokens;
  /// What `echo` puts before the output.
  std::string text;
  int32_t max_tokens = 0;
};

/// A request that has been read and found sound: all that is needed to run and to answer it.
struct CompletionPlan {
  bool chat = false;
  std::vector<PlannedPrompt> prompts;
  /// Per prompt.
  int32_t choices = 1;
  /// Of the first choice of each prompt but for max_tokens; choice i draws with seed + i.
  SamplingParams sampling;
  std::vector<std::string> stops;
  bool include_stop = false;
  bool skip_special = true;
  bool echo = false;
  bool stream = false;
  bool include_usage = false;
  bool return_token_ids = false;
  /// The response says where the time of its first choice went.
  bool timings = false;
  bool trace = false;
};

}  // namespace baton::api
