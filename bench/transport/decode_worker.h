#pragma once

#include <memory>
#include <optional>
#include <string>

#include "baton/handoff/decode_side.h"
#include "prefill_worker.h"
#include "processes.h"

namespace baton::bench {

/// A decode worker in this process with a prefill worker in another. *Threads*: one.
class DecodeWorker final : public handoff::DecodeSideListener, public transport::TransportListener {
 public:
  explicit DecodeWorker(const PairOptions& options);

  struct Times {
    /// From before the offer until the commit was accepted.
    Duration handoff{};
    /// From the first put until the last was flushed, as the prefill side saw it.
    Duration put{};
  };
  /// Has a prompt handed over, in runs of `run` blocks on both sides (0: one run).
  Times TakeOver(int32_t tokens, int32_t run);
  /// Whether what TakeOver() brought is what the prefill worker holds. Forgets it.
  bool CheckAndClear(int32_t tokens);

  /// What the transport finds out about the path from puts the other way, which overwrite what the
  /// prefill worker holds.
  std::optional<transport::PathCost> MeasurePath();

  /// Of both processes together.
  Duration CpuTime() const { return OwnCpuTime() + prefill_.CpuTime(); }
  std::string Path() const { return transport_->DescribePath(peer_); }
  const transport::MemoryRegion& region() const { return region_; }

  void OnCommitted(SequenceId sequence, TokenOutput first,
                   const handoff::CommitReport& report) override;
  void OnHandoffFailed(SequenceId sequence, handoff::Failure failure, Status status) override;
  void OnReleased(SequenceId) override {}
  void OnPeerStuck(transport::PeerId, Status) override {}
  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override {
    side_->OnMessage(peer, message);
  }
  void OnTransferDone(transport::PeerId, transport::TransferId, Status) override { ++puts_done_; }

 private:
  const kv::KvGeometry geometry_;
  std::unique_ptr<transport::Transport> transport_;
  transport::MemoryRegion region_;
  std::unique_ptr<handoff::DecodeSide> side_;
  Process prefill_;
  transport::PeerId peer_{};
  uint64_t last_sequence_ = 0;
  Duration put_{};
  bool committed_ = false;
  int puts_done_ = 0;
};

}  // namespace baton::bench
