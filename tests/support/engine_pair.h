#pragma once

#include <map>

#include "baton/base/random.h"
#include "support/engine_driver.h"

namespace baton::testing_support {

/// A prefill and a decode engine with a hand-off between them that copies exactly the positions and
/// layers that were reported ready. What happens when is drawn from a seed.
class EnginePair {
 public:
  EnginePair(model::Model& model, const DriverOptions& prefill, const DriverOptions& decode,
             uint64_t seed);

  /// The sequence on the decode engine.
  SequenceId Submit(const Request& request, int32_t local_prefill_max_tokens = -1);
  /// A random few of: a step of either engine, and what the hand-off has to do.
  void Step();
  void RunUntilIdle();

  /// Ends a request the way a client or a fault does, in whatever state it is.
  void Cancel(SequenceId sequence);
  /// The prefill side gives up: the hand-off fails on both sides, if it is under way.
  void Break(SequenceId sequence);

  EngineDriver& prefill() { return prefill_; }
  EngineDriver& decode() { return decode_; }
  int64_t local_prefills();

 private:
  struct Handoff {
    Request request;
    SequenceId at_prefill{};
    bool offered = false;
    bool over = false;  ///< Committed, cancelled or broken: nothing is copied any more.
    bool released_prefill = false;
    bool released_decode = false;
    /// Positions copied so far, by layer.
    std::vector<int32_t> copied;
  };

  void Offer(SequenceId sequence, Handoff& handoff);
  void Copy(SequenceId at_prefill, int32_t layer_begin, int32_t layer_end, int32_t tokens);
  void CopyPosition(const Handoff& handoff, SequenceId at_decode, int32_t layer, int32_t position);
  /// Does one thing that is due for the hand-off, perhaps. True when it did.
  bool Advance(SequenceId sequence, Handoff& handoff);

  Random random_;
  /// Of both engines; null: the host.
  device::LateDevice* const device_;
  EngineDriver prefill_;
  EngineDriver decode_;
  std::map<SequenceId, Handoff> handoffs_;  ///< By the decode engine's sequence.
  std::map<SequenceId, SequenceId> at_decode_;
};

}  // namespace baton::testing_support
