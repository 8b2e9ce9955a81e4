#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "baton/device/stream.h"
#include "baton/ops/ops.h"
#include "baton/scheduler/scheduler.h"

namespace baton::engine {

/// Positions [begin, end) of a scheduled chunk of which the next token is of the prompt and its
/// log-probability is wanted and not known yet. Empty for most.
struct ScoredPositions {
  int32_t begin = 0;
  int32_t end = 0;
};
ScoredPositions ScoredIn(const scheduler::Scheduled& scheduled);

/// Works out the log-probabilities of prompts, a piece of the step's rows after the other.
/// *Threads*: lives on the engine thread.
class PromptScorer {
 public:
  /// `rows`: most in one piece.
  PromptScorer(int32_t rows, int32_t vocabulary, const ops::Ops& ops, device::Stream& stream);

  void Begin(const scheduler::StepPlan& plan);
  /// The logits [n, V] of the next n of the plan's scored positions, in order; overwritten.
  void Score(std::span<float> logits);

 private:
  struct Row {
    scheduler::Sequence* sequence = nullptr;
    int32_t position = 0;
  };

  const int32_t vocabulary_;
  const ops::Ops& ops_;
  device::Stream& stream_;
  std::vector<Row> pending_;
  size_t next_ = 0;
  std::vector<ops::SampleRow> rows_;
  std::vector<ops::SampledToken> scored_;
  std::vector<ops::SampledToken> top_;
};

}  // namespace baton::engine
