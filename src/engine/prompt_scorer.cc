#include "prompt_scorer.h"

#include <algorithm>

#include "baton/base/check.h"

namespace baton::engine {
namespace {

constexpr size_t kTopStride = SamplingParams::kMaxTopLogprobs;

}  // namespace

ScoredPositions ScoredIn(const scheduler::Scheduled& scheduled) {
  const scheduler::Sequence& sequence = *scheduled.sequence;
  if (!sequence.prompt_logprobs) return {};
  // The first entry is of position 1, which position 0 predicts.
  const auto known = static_cast<int32_t>(sequence.prompt_logprobs->size());
  const int32_t begin = std::max(scheduled.begin, known);
  const int32_t end = std::min(scheduled.begin + scheduled.count, sequence.prompt_tokens - 1);
  return {.begin = begin, .end = std::max(begin, end)};
}

PromptScorer::PromptScorer(int32_t rows, int32_t vocabulary, const ops::Ops& ops,
                           device::Stream& stream)
    : vocabulary_(vocabulary), ops_(ops), stream_(stream) {
  const auto R = static_cast<size_t>(rows);
  rows_.reserve(R);
  scored_.resize(R);
  top_.resize(R * kTopStride);
}

void PromptScorer::Begin(const scheduler::StepPlan& plan) {
  pending_.clear();
  next_ = 0;
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    const auto [begin, end] = ScoredIn(scheduled);
    for (int32_t position = begin; position < end; ++position) {
      pending_.push_back({.sequence = scheduled.sequence, .position = position});
    }
  }
}

void PromptScorer::Score(std::span<float> logits) {
  const size_t count = logits.size() / static_cast<size_t>(vocabulary_);
  BATON_CHECK(count <= scored_.size() && next_ + count <= pending_.size());
  const std::span<const Row> piece = std::span(pending_).subspan(next_, count);
  rows_.clear();
  for (const auto& [sequence, position] : piece) {
    rows_.push_back({.given = sequence->tokens[static_cast<size_t>(position) + 1],
                     .logprobs = sequence->sampling.prompt_logprobs});
  }
  ops_.sample({.logits = logits.data(),
               .rows = rows_.data(),
               .out = scored_.data(),
               .top = top_.data(),
               .top_stride = kTopStride,
               .R = static_cast<int64_t>(count),
               .V = vocabulary_},
              stream_);
  stream_.SynchronizeAndWait();
  for (size_t i = 0; i < count; ++i) {
    PromptLogprob out{.logprob = scored_[i].logprob, .rank = scored_[i].rank};
    const int32_t wanted = std::min(piece[i].sequence->sampling.prompt_logprobs, vocabulary_);
    for (size_t k = 0; k < static_cast<size_t>(wanted); ++k) {
      const ops::SampledToken& top = top_[i * kTopStride + k];
      out.top.push_back({.token = top.token, .logprob = top.logprob});
    }
    piece[i].sequence->prompt_logprobs->push_back(std::move(out));
  }
  next_ += count;
}

}  // namespace baton::engine
