#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"

namespace baton {

/// Added to a token's logit.
struct LogitBias {
  TokenId token = 0;
  float bias = 0;
  bool operator==(const LogitBias&) const = default;
};

/// How tokens are drawn. A token depends only on these, its position and its logits.
struct SamplingParams {
  /// 0 is greedy.
  float temperature = 1.0f;
  /// Keeps the k most likely tokens; 0 keeps all.
  int32_t top_k = 0;
  /// Keeps the smallest set of tokens whose probability reaches this, in (0, 1].
  float top_p = 1.0f;
  /// Keeps tokens with at least this share of the best token's probability, in [0, 1].
  float min_p = 0.0f;
  /// Divides positive and multiplies negative logits of tokens seen in prompt or output; 1 is off.
  float repetition_penalty = 1.0f;
  /// Subtracted per occurrence in the output, in [-2, 2].
  float frequency_penalty = 0.0f;
  /// Subtracted once for tokens in the output, in [-2, 2].
  float presence_penalty = 0.0f;
  /// The router draws one when the client gave none.
  uint64_t seed = 0;
  /// At least 1, or 0 with prompt_logprobs. Counts the tokens generated in all, those before a
  /// resume included.
  int32_t max_tokens = 16;
  /// No stop token or end of sequence is drawn before this many tokens.
  int32_t min_tokens = 0;
  bool ignore_eos = false;
  /// End the output when drawn, beside the model's own end-of-sequence tokens.
  std::vector<TokenId> stop_token_ids;
  /// Before anything else is done with the logits. By token, ascending, each at most once; biases
  /// in [-100, 100].
  std::vector<LogitBias> logit_bias;
  /// -1: none. 0: of the drawn token. n: also the n most likely, at most kMaxTopLogprobs.
  int32_t logprobs = -1;
  /// The same of the prompt's tokens, all but the first. They come with the first token of the
  /// output, or alone when max_tokens is 0.
  int32_t prompt_logprobs = -1;

  static constexpr int32_t kMaxTopLogprobs = 20;
  static constexpr float kMaxTemperature = 100;
  static constexpr float kMaxRepetitionPenalty = 100;
  static constexpr size_t kMaxStopTokenIds = 64;
  static constexpr size_t kMaxLogitBiases = 1024;
  static constexpr float kMaxLogitBias = 100;

  bool operator==(const SamplingParams&) const = default;
};

/// Fails with InvalidArgument naming the first field out of range, its value and the range.
Status Validate(const SamplingParams& params, int32_t vocabulary_size);

}  // namespace baton
