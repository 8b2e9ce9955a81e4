#include "token_sampler.h"

#include <algorithm>

namespace baton::engine {
namespace {

constexpr size_t kTopStride = SamplingParams::kMaxTopLogprobs;

ops::SampleRow MakeRow(const scheduler::Sequence& sequence, const uint32_t* mask) {
  const SamplingParams& sampling = sequence.sampling;
  // What another worker emitted before a resume counts as output.
  const int32_t prompt = sequence.prompt_tokens - sequence.emitted_tokens;
  ops::SampleRow row{.temperature = sampling.temperature,
                     .top_k = sampling.top_k,
                     .top_p = sampling.top_p,
                     .min_p = sampling.min_p,
                     .repetition_penalty = sampling.repetition_penalty,
                     .frequency_penalty = sampling.frequency_penalty,
                     .presence_penalty = sampling.presence_penalty,
                     .seed = sampling.seed,
                     .position = sequence.size(),
                     .prompt = sequence.tokens.data(),
                     .prompt_tokens = prompt,
                     .output = sequence.tokens.data() + prompt,
                     .output_tokens = sequence.size() - prompt,
                     .logprobs = sampling.logprobs};
  row.mask = mask;
  // A mask has the bans in it.
  if (mask == nullptr && sequence.generated() < sampling.min_tokens) {
    row.banned = sequence.banned_early.data();
    row.banned_tokens = static_cast<int64_t>(sequence.banned_early.size());
  }
  return row;
}

}  // namespace

TokenSampler::TokenSampler(int32_t sequences, int32_t vocabulary) : vocabulary_(vocabulary) {
  rows_.reserve(static_cast<size_t>(sequences));
}

std::span<const ops::SampleRow> TokenSampler::Rows(const scheduler::StepPlan& plan,
                                                   const TokenMasks& masks) {
  rows_.clear();
  biases_.clear();
  size_t biased = 0;
  for (const auto& scheduled : plan.batch) biased += scheduled.sequence->sampling.logit_bias.size();
  biases_.reserve(biased);  // Rows point into it.
  for (const auto& scheduled : plan.batch) {
    if (!scheduled.draws) continue;
    if (!scheduled.runs()) {
      rows_.push_back({.temperature = 0});  // Whatever comes is thrown away.
      continue;
    }
    rows_.push_back(MakeRow(*scheduled.sequence, masks.mask(rows_.size())));
    AddBiases(scheduled.sequence->sampling.logit_bias, rows_.back());
  }
  return rows_;
}

void TokenSampler::AddBiases(const std::vector<LogitBias>& biases, ops::SampleRow& row) {
  row.biases = biases_.data() + biases_.size();
  row.biased_tokens = static_cast<int64_t>(biases.size());
  for (const auto& [token, bias] : biases) biases_.push_back({.token = token, .bias = bias});
}

TokenOutput TokenSampler::Output(const scheduler::Sequence& sequence,
                                 const model::SampledRows& drawn, size_t i) const {
  const ops::SampledToken& token = drawn.tokens[i];
  TokenOutput output{.token = token.token, .position = sequence.size()};
  if (sequence.size() == sequence.prompt_tokens) output.cached_tokens = sequence.cached_tokens;
  if (sequence.sampling.logprobs < 0) return output;
  output.logprob = token.logprob;
  const size_t wanted = static_cast<size_t>(std::min(sequence.sampling.logprobs, vocabulary_));
  for (size_t k = 0; k < wanted; ++k) {
    const ops::SampledToken& top = drawn.top[i * kTopStride + k];
    output.top_logprobs.push_back({.token = top.token, .logprob = top.logprob});
  }
  return output;
}

}  // namespace baton::engine
