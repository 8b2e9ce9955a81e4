#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "baton/api/api_options.h"
#include "baton/api/chat_format.h"
#include "baton/api/output_reader.h"
#include "baton/base/clock.h"
#include "baton/base/ids.h"
#include "baton/grammar/grammar_cache.h"
#include "baton/request/request.h"
#include "baton/telemetry/metrics.h"
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
  telemetry::Counter& unknown_fields;
  /// Those of requests, compiled once however often they come.
  grammar::GrammarCache& grammars;
  ChatFormat format = {};
  /// Counts calls of tools that could not be read; may be null.
  telemetry::Counter* broken_calls = nullptr;
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
  /// Answered per prompt.
  int32_t choices = 1;
  /// Generated per prompt, of which the likeliest `choices` are answered.
  int32_t candidates = 1;
  /// Of the first candidate of each prompt but for max_tokens; candidate i draws with seed + i.
  SamplingParams sampling;
  /// What the output must be, in the notation of grammars; empty: anything.
  std::string grammar;
  OutputReading reading;
  std::vector<std::string> stops;
  bool include_stop = false;
  bool skip_special = true;
  bool echo = false;
  bool stream = false;
  bool include_usage = false;
  /// Each chunk of a stream says the usage up to there.
  bool continuous_usage = false;
  /// The response shows `sampling.logprobs`, and, in a field of their own, those of the prompt.
  bool show_logprobs = false;
  bool show_prompt_logprobs = false;
  bool return_token_ids = false;
  /// The response says where the time of its first choice went.
  bool timings = false;
  bool trace = false;
  int32_t priority = 0;
  std::string session;
  RequestSlo slo;
  /// Requests share cached prefixes only with those of the same salt.
  std::string cache_salt;
};

}  // namespace baton::api
