#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "baton/transport/loopback.h"
#include "wire.h"

namespace baton::fuzz {

/// A decode worker d and a prefill worker p in one process, whose engines do what they are told and
/// between which anybody may put messages. CHECKs what either side promises its worker.
class HandoffWorld final : public handoff::DecodeSideListener, public handoff::PrefillSideListener {
 public:
  explicit HandoffWorld(bool checksums);
  ~HandoffWorld() override;

  /// d's engine.
  void Offer(uint8_t prompt_tokens, uint8_t first_block, uint8_t cached_blocks);
  void Cancel(uint8_t which);
  /// p's engine, on the one of its sequences that `which` picks.
  void GiveBlocks(uint8_t which, uint8_t first_block);
  void ComputeKv(uint8_t which, uint8_t layers, uint8_t tokens);
  void FinishPrefill(uint8_t which);
  void FailPrefill(uint8_t which);

  /// A message on its way to d, or to p, as if from the other.
  void SendTo(handoff::Side side, const std::string& bytes);
  /// What a true message of that hand-off to `side` would carry.
  handoff::Envelope EnvelopeTo(handoff::Side side, uint64_t handoff) const;
  /// Delivers the nth message sent so far a second time.
  void Repeat(uint8_t which);

  void Deliver();
  void Advance(Duration duration);
  /// The join ends and another begins.
  void Rejoin();
  void Drain() { prefill_->Drain(); }
  /// Ends the join, waits for everything that has a deadline, and CHECKs that nothing is left.
  void End();

 private:
  struct Wire;
  enum class Fate { kOffered, kFailed, kOver };
  struct AtPrefill {
    SequenceId sequence{};
    int32_t prompt_tokens = 0;
    bool finished = false;
  };

  void OnCommitted(SequenceId, TokenOutput, const handoff::CommitReport&) override;
  void OnHandoffFailed(SequenceId, handoff::Failure, Status) override;
  void OnReleased(SequenceId) override;
  Result<SequenceId> OnOffer(transport::PeerId, Request) override;
  void OnAbort(SequenceId) override;
  void OnFinished(SequenceId, const handoff::PrefillReport&) override;
  void OnPeerStuck(transport::PeerId, Status) override { stuck_ = true; }

  void Join();
  void Lose();
  void CheckDeadlines() const;
  Fate& FateOf(SequenceId sequence);
  AtPrefill* Pick(uint8_t which);

  ManualClock clock_;
  transport::LoopbackNetwork network_;
  std::unique_ptr<transport::Transport> d_transport_;
  std::unique_ptr<transport::Transport> p_transport_;
  std::unique_ptr<Wire> d_wire_;
  std::unique_ptr<Wire> p_wire_;
  std::unique_ptr<handoff::DecodeSide> decode_;
  std::unique_ptr<handoff::PrefillSide> prefill_;
  transport::PeerId to_p_{};
  transport::PeerId to_d_{};
  uint64_t connection_ = 0;
  bool stuck_ = false;
  std::map<SequenceId, Fate> fates_;
  std::vector<AtPrefill> at_prefill_;
  std::vector<std::pair<handoff::Side, std::string>> sent_;
};

}  // namespace baton::fuzz
