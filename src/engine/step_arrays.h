#pragma once

#include <cstdint>
#include <vector>

#include "baton/model/step_runner.h"
#include "baton/scheduler/scheduler.h"

namespace baton::engine {

/// A step's plan as the flat arrays that a runner takes. Keeps its memory between steps.
/// *Threads*: lives on the engine thread.
class StepArrays {
 public:
  StepArrays(int32_t step_tokens, int32_t sequences, int32_t table_blocks);

  /// Points into this object and is valid until the next call. What is scored is left out.
  model::StepInput Fill(const scheduler::StepPlan& plan, int32_t layer_group);

 private:
  std::vector<TokenId> tokens_;
  std::vector<model::DrawnToken> drawn_;
  std::vector<int32_t> query_begin_;
  std::vector<int32_t> kv_tokens_;
  std::vector<int32_t> block_tables_;
  std::vector<int32_t> logit_rows_;
  std::vector<int32_t> scored_rows_;
};

}  // namespace baton::engine
