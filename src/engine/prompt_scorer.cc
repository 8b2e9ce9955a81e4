#include "prompt_scorer.h"

#include <algorithm>
#include <utility>

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

std::span<const ops::SampleRow> PromptScorer::Rows(const scheduler::StepPlan& plan) {
  rows_.clear();
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    const scheduler::Sequence& sequence = *scheduled.sequence;
    const auto [begin, end] = ScoredIn(scheduled);
    for (int32_t position = begin; position < end; ++position) {
      rows_.push_back({.given = sequence.tokens[static_cast<size_t>(position) + 1],
                       .logprobs = sequence.sampling.prompt_logprobs});
    }
  }
  return rows_;
}

void PromptScorer::Take(const scheduler::StepPlan& plan, const model::SampledRows& scored) const {
  size_t row = 0;
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    const scheduler::Sequence& sequence = *scheduled.sequence;
    const auto [begin, end] = ScoredIn(scheduled);
    for (int32_t position = begin; position < end; ++position, ++row) {
      const ops::SampledToken& token = scored.tokens[row];
      PromptLogprob out{.logprob = token.logprob, .rank = token.rank};
      const int32_t wanted = std::min(sequence.sampling.prompt_logprobs, vocabulary_);
      for (size_t k = 0; k < static_cast<size_t>(wanted); ++k) {
        const ops::SampledToken& top = scored.top[row * kTopStride + k];
        out.top.push_back({.token = top.token, .logprob = top.logprob});
      }
      sequence.prompt_logprobs->push_back(std::move(out));
    }
  }
  BATON_CHECK(row == scored.tokens.size());
}

}  // namespace baton::engine
