#pragma once

#include <cstdint>

#include "baton/base/ids.h"

namespace baton::ops {

/// One row to draw a token for. Lists may be empty with null pointers.
struct SampleRow {
  float temperature = 1.0f;
  int32_t top_k = 0;
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  float frequency_penalty = 0.0f;
  float presence_penalty = 0.0f;
  uint64_t seed = 0;
  /// Position of the token to draw in prompt + output; the counter of the random stream.
  int64_t position = 0;
  const TokenId* prompt = nullptr;
  int64_t prompt_tokens = 0;
  /// Tokens generated so far, for the penalties.
  const TokenId* output = nullptr;
  int64_t output_tokens = 0;
  /// Tokens that must not be drawn.
  const TokenId* banned = nullptr;
  int64_t banned_tokens = 0;
  /// -1: none. Otherwise the drawn token's log-probability and those of the n most likely.
  int32_t logprobs = -1;
};

struct SampledToken {
  TokenId token = 0;
  /// Of the unscaled distribution: log softmax of the logits as the model gave them. 0 where the
  /// row did not ask for log-probabilities.
  float logprob = 0;
};

/// Draws a token for each row of logits.
/// Order: bans, repetition, frequency and presence penalties, temperature, then top_k, top_p and
/// min_p on the probabilities after temperature, then inverse transform sampling in the order of
/// token ids with UniformAt(seed, position). temperature 0 takes the largest penalised logit;
/// equal values go to the smaller token id. Never draws NaN: a row without a finite logit yields
/// token -1, which the engine treats as a sick device; other logits that are not finite are never
/// drawn. top_k keeps exactly k, the smaller ids of equal logits; top_p keeps the fewest likeliest
/// tokens that reach top_p of what top_k left, at least one; min_p drops tokens less than min_p
/// times as likely as the likeliest. Repetition counts prompt and output, the other penalties the
/// output only.
/// Shapes: logits [R, V] (overwritten), rows [R], out [R]; top [R, top_stride] or null, of which
/// each row's first `logprobs` are written, likeliest first, with token -1 beyond the vocabulary.
struct SampleParams {
  float* logits = nullptr;
  const SampleRow* rows = nullptr;
  SampledToken* out = nullptr;
  SampledToken* top = nullptr;
  int64_t top_stride = 0;
  int64_t R = 0;
  int64_t V = 0;
};

}  // namespace baton::ops
