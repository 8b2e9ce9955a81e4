#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "baton/model/step_runner.h"
#include "baton/ops/sample.h"
#include "baton/request/request.h"
#include "baton/scheduler/scheduler.h"
#include "token_masks.h"

namespace baton::engine {

/// What is asked of a step's rows that draw, and what their answers mean. Keeps its memory between
/// steps. *Threads*: lives on the engine thread.
class TokenSampler {
 public:
  TokenSampler(int32_t sequences, int32_t vocabulary);

  /// One row for each scheduled chunk that draws, in order; points into this object, the plan's
  /// sequences and `masks`. Valid until the next call.
  std::span<const ops::SampleRow> Rows(const scheduler::StepPlan& plan, const TokenMasks& masks);

  /// What the `i`th drawn token is to the sequence's listener, without a finish reason.
  TokenOutput Output(const scheduler::Sequence& sequence, const model::SampledRows& drawn,
                     size_t i) const;

 private:
  /// The row's biases, in memory that lasts until the next Rows().
  void AddBiases(const std::vector<LogitBias>& biases, ops::SampleRow& row);

  const int32_t vocabulary_;
  std::vector<ops::SampleRow> rows_;
  std::vector<ops::TokenBias> biases_;
};

}  // namespace baton::engine
