#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "baton/model/step_runner.h"
#include "baton/ops/sample.h"
#include "baton/scheduler/scheduler.h"

namespace baton::engine {

/// Positions [begin, end) of a scheduled chunk of which the next token is of the prompt and its
/// log-probability is wanted and not known yet. Empty for most.
struct ScoredPositions {
  int32_t begin = 0;
  int32_t end = 0;
};
ScoredPositions ScoredIn(const scheduler::Scheduled& scheduled);

/// Has the log-probabilities of prompts worked out by the steps that compute them.
/// *Threads*: lives on the engine thread.
class PromptScorer {
 public:
  explicit PromptScorer(int32_t vocabulary) : vocabulary_(vocabulary) {}

  /// What is asked of the plan's scored positions, in order; valid until the next call.
  std::span<const ops::SampleRow> Rows(const scheduler::StepPlan& plan);
  /// What the plan's scored positions gave, for the sequences that want it.
  void Take(const scheduler::StepPlan& plan, const model::SampledRows& scored) const;

 private:
  const int32_t vocabulary_;
  std::vector<ops::SampleRow> rows_;
};

}  // namespace baton::engine
