#include "token_sampler.h"

#include <algorithm>

#include "baton/base/check.h"

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

TokenSampler::TokenSampler(int32_t sequences, int32_t vocabulary, const ops::Ops& ops,
                           device::Stream& stream)
    : vocabulary_(vocabulary), ops_(ops), stream_(stream) {
  const size_t S = static_cast<size_t>(sequences);
  rows_.reserve(S);
  drawn_.resize(S);
  top_.resize(S * kTopStride);
}

std::span<const ops::SampledToken> TokenSampler::Draw(const scheduler::StepPlan& plan,
                                                      std::span<float> logits,
                                                      const TokenMasks& masks) {
  rows_.clear();
  biases_.clear();
  size_t biased = 0;
  for (const auto& scheduled : plan.batch) biased += scheduled.sequence->sampling.logit_bias.size();
  biases_.reserve(biased);  // Rows point into it.
  bool wants_top = false;
  for (const auto& scheduled : plan.batch) {
    if (!scheduled.draws) continue;
    rows_.push_back(MakeRow(*scheduled.sequence, masks.mask(rows_.size())));
    AddBiases(scheduled.sequence->sampling.logit_bias, rows_.back());
    wants_top = wants_top || rows_.back().logprobs > 0;
  }
  if (rows_.empty()) return {};
  BATON_CHECK(logits.size() == rows_.size() * static_cast<size_t>(vocabulary_));
  ops_.sample({.logits = logits.data(),
               .rows = rows_.data(),
               .out = drawn_.data(),
               .top = wants_top ? top_.data() : nullptr,
               .top_stride = kTopStride,
               .R = static_cast<int64_t>(rows_.size()),
               .V = vocabulary_},
              stream_);
  stream_.SynchronizeAndWait();
  return std::span(drawn_).first(rows_.size());
}

void TokenSampler::AddBiases(const std::vector<LogitBias>& biases, ops::SampleRow& row) {
  row.biases = biases_.data() + biases_.size();
  row.biased_tokens = static_cast<int64_t>(biases.size());
  for (const auto& [token, bias] : biases) biases_.push_back({.token = token, .bias = bias});
}

TokenOutput TokenSampler::Output(const scheduler::Sequence& sequence, size_t i) const {
  TokenOutput output{.token = drawn_[i].token, .position = sequence.size()};
  if (sequence.size() == sequence.prompt_tokens) output.cached_tokens = sequence.cached_tokens;
  if (sequence.sampling.logprobs < 0) return output;
  output.logprob = drawn_[i].logprob;
  const size_t wanted = static_cast<size_t>(std::min(sequence.sampling.logprobs, vocabulary_));
  for (size_t k = 0; k < wanted; ++k) {
    const ops::SampledToken& top = top_[i * kTopStride + k];
    output.top_logprobs.push_back({.token = top.token, .logprob = top.logprob});
  }
  return output;
}

}  // namespace baton::engine
