#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "baton/device/stream.h"
#include "baton/ops/ops.h"
#include "baton/request/request.h"
#include "baton/scheduler/scheduler.h"
#include "token_masks.h"

namespace baton::engine {

/// Draws the next tokens of a step. Keeps its memory between steps.
/// *Threads*: lives on the engine thread.
class TokenSampler {
 public:
  TokenSampler(int32_t sequences, int32_t vocabulary, const ops::Ops& ops, device::Stream& stream);

  /// One token for each scheduled chunk that draws, in order; `logits` has a row for each and is
  /// overwritten. A token of -1 means that its row had no finite logit. Valid until the next call.
  std::span<const ops::SampledToken> Draw(const scheduler::StepPlan& plan, std::span<float> logits,
                                          const TokenMasks& masks);

  /// What the `i`th token of the last Draw() is to the sequence's listener, without a finish
  /// reason.
  TokenOutput Output(const scheduler::Sequence& sequence, size_t i) const;

 private:
  /// The row's biases, in memory that lasts until the next Draw().
  void AddBiases(const std::vector<LogitBias>& biases, ops::SampleRow& row);

  const int32_t vocabulary_;
  const ops::Ops& ops_;
  device::Stream& stream_;
  std::vector<ops::SampleRow> rows_;
  std::vector<ops::TokenBias> biases_;
  std::vector<ops::SampledToken> drawn_;
  std::vector<ops::SampledToken> top_;
};

}  // namespace baton::engine
