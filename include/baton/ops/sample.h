#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/base/ids.h"

namespace baton::ops {

/// Added to the logit of a token.
struct TokenBias {
  TokenId token = 0;
  float bias = 0;
};

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
  /// Each token at most once.
  const TokenBias* biases = nullptr;
  int64_t biased_tokens = 0;
  /// Tokens that must not be drawn.
  const TokenId* banned = nullptr;
  int64_t banned_tokens = 0;
  /// Null, or V bits: only tokens whose bit is set may be drawn. Token 0 is the lowest bit of the
  /// first of ceil(V / 32) words; bits from V on have no meaning.
  const uint32_t* mask = nullptr;
  /// Not negative: this token is taken in place of one that is drawn, for its log-probability.
  TokenId given = -1;
  /// -1: none. Otherwise the drawn token's log-probability and those of the n most likely.
  int32_t logprobs = -1;
};

struct SampledToken {
  TokenId token = 0;
  /// Of the unscaled distribution: log softmax of the logits as the model gave them, without bias,
  /// ban or mask. 0 where the row did not ask for log-probabilities.
  float logprob = 0;
  /// Of a given token that log-probabilities were asked of: 1 and the number of likelier tokens.
  int32_t rank = 0;
};

/// Parts of sampling that some row needs. A device may skip the others.
struct SampleStages {
  bool adjusts = true;   ///< Biases, bans or penalties.
  bool masks = true;     ///< Masks.
  bool cuts = true;      ///< top_k or top_p.
  bool logprobs = true;  ///< Log-probabilities.

  bool operator==(const SampleStages&) const = default;
};

/// Rows and their lists as a device wants them.
struct SamplePlan {
  size_t bytes = 0;
  SampleStages stages;
};

/// Draws a token for each row of logits, without sorting them on a device.
/// Order: biases, bans and mask, repetition, frequency and presence penalties, temperature, then
/// top_k, top_p and min_p on the probabilities after temperature, then inverse transform sampling
/// in the order of token ids with UniformAt(seed, position). temperature 0 takes the largest
/// penalised logit; equal values go to the smaller token id. Never draws NaN: a row without a
/// finite logit yields token -1, be it that the model gave none or that bans and mask leave none;
/// other logits that are not finite are never drawn, whatever their bias. top_k keeps exactly k,
/// the smaller ids of equal logits; top_p keeps the fewest likeliest tokens that reach top_p of
/// what top_k left, at least one; min_p drops tokens less than min_p times as likely as the
/// likeliest. Repetition counts prompt and output, the other penalties the output only.
/// Shapes: logits [R, V] (overwritten), rows [R], out [R]; top [R, top_stride] or null, of which
/// each row's first `logprobs` are written, likeliest first, with token -1 beyond the vocabulary.
/// R = 0 is a no-op; on CUDA devices R of at most 65,535, V of 2^19.
/// Types: logits float32.
/// Layout: row-major without gaps; aligned as their elements are, plan and scratch to 8 bytes.
/// Errors: none; sizes are checked (BATON_CHECK) once per call. REQUIRES: tokens of lists are below
/// V; `plan` is of these rows.
/// Stream: enqueues only; allocates nothing on a device; graph-safe. Where Ops::plan_sample is set,
/// rows are not read: what it wrote about them is in `plan`, and all pointers are the device's.
/// Params with equal pointers, R, V and stages enqueue the same work.
/// Cost: logits read two to six times, by stages, from the second-level cache where they fit; bound
/// by memory, of few rows by launches.
/// Accuracy: on CUDA devices a token differs from that of exact arithmetic only where its uniform
/// number, or the limit of top_p or min_p, is within 2^-21 (relative) of where the choice changes;
/// log-probabilities within 2e-6. A row's bits do not depend on R.
/// Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011 (Philox); Holtzman et
/// al., "The Curious Case of Neural Text Degeneration", 2020 (top-p); Nguyen et al., "Turning Up
/// the Heat", 2024 (min-p); the search of bins instead of a sort: kernels/cuda/README.md,
/// "Sampling".
struct SampleParams {
  float* logits = nullptr;
  const SampleRow* rows = nullptr;
  SampledToken* out = nullptr;
  SampledToken* top = nullptr;
  /// Null, or [R]: the tokens of `out` alone, for the next step's embedding; 0 where that is -1.
  TokenId* tokens = nullptr;
  int64_t top_stride = 0;
  int64_t R = 0;
  int64_t V = 0;
  /// May be written to.
  std::byte* plan = nullptr;
  /// Ops::sample_scratch_bytes(R, V) or more.
  std::byte* scratch = nullptr;
  /// At least those of the plan.
  SampleStages stages;
};

}  // namespace baton::ops
