#include "step_arrays.h"

#include <algorithm>

#include "prompt_scorer.h"

namespace baton::engine {

StepArrays::StepArrays(int32_t step_tokens, int32_t sequences, int32_t table_blocks) {
  const size_t S = static_cast<size_t>(sequences);
  tokens_.reserve(static_cast<size_t>(step_tokens));
  query_begin_.reserve(S + 1);
  kv_tokens_.reserve(S);
  logit_rows_.reserve(S);
  block_tables_.resize(S * static_cast<size_t>(table_blocks));
}

model::StepInput StepArrays::Fill(const scheduler::StepPlan& plan, int32_t layer_group) {
  tokens_.clear();
  drawn_.clear();
  query_begin_.clear();
  kv_tokens_.clear();
  logit_rows_.clear();
  scored_rows_.clear();
  int32_t stride = 0;
  for (const auto& scheduled : plan.batch) {
    stride = std::max(stride, scheduled.sequence->blocks.size());
  }
  int32_t* table = block_tables_.data();
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    const scheduler::Sequence* sequence = scheduled.sequence;
    const int32_t begin = scheduled.begin;
    const int32_t count = scheduled.count;
    const int32_t row = static_cast<int32_t>(tokens_.size());
    const ScoredPositions scored = ScoredIn(scheduled);
    for (int32_t p = scored.begin; p < scored.end; ++p) scored_rows_.push_back(row + p - begin);
    query_begin_.push_back(row);
    kv_tokens_.push_back(begin + count);
    if (scheduled.drawn_before >= 0) {
      drawn_.push_back({.row = row, .draw = scheduled.drawn_before});
      tokens_.push_back(0);
    } else {
      const auto first = sequence->tokens.begin() + begin;
      tokens_.insert(tokens_.end(), first, first + count);
    }
    if (scheduled.draws) logit_rows_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
    std::transform(sequence->blocks.blocks().begin(), sequence->blocks.blocks().end(), table,
                   [](BlockId block) { return Index(block); });
    table += stride;
  }
  query_begin_.push_back(static_cast<int32_t>(tokens_.size()));
  return {.tokens = tokens_,
          .drawn = drawn_,
          .sequences = {.query_begin = query_begin_.data(),
                        .kv_tokens = kv_tokens_.data(),
                        .block_tables = block_tables_.data(),
                        .table_stride = stride,
                        .S = static_cast<int32_t>(plan.batch.size()),
                        .T = static_cast<int32_t>(tokens_.size())},
          .logit_rows = logit_rows_,
          .scored_rows = scored_rows_,
          .layer_group = layer_group};
}

}  // namespace baton::engine
