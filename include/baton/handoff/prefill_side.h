#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/ids.h"
#include "baton/handoff/outcome.h"
#include "baton/handoff/worker_description.h"
#include "baton/request/request.h"

namespace baton::handoff {

/// How a hand-off ended on the prefill side. `failure` is empty when it was committed.
struct PrefillReport {
  transport::PeerId peer{};
  std::optional<Failure> failure;
  Status status;
  Stages stages;
  TransferFigures transfer;
};

/// What the prefill side tells its worker.
class PrefillSideListener {
 public:
  virtual ~PrefillSideListener() = default;
  /// Submits the request (engine: kPrefill) and returns its sequence, or why it is refused.
  virtual Result<SequenceId> OnOffer(transport::PeerId peer, Request request) = 0;
  /// The request is given up (engine: Cancel); OnFinished follows when its puts have ended.
  virtual void OnAbort(SequenceId sequence) = 0;
  /// No put reads its blocks any more (engine: Release). Exactly once per accepted offer.
  virtual void OnFinished(SequenceId sequence, const PrefillReport& report) = 0;
  /// Puts to this peer do not end: close its join and lose it.
  virtual void OnPeerStuck(transport::PeerId peer, Status status) = 0;
};

struct PrefillSideOptions {
  /// Most hand-offs at once; further offers are refused with ResourceExhausted.
  int32_t handoffs = 256;
  /// Longest prompt of an offer.
  int32_t prompt_tokens = 1 << 20;
  /// Longest time between an offer and blocks for it.
  Duration queue_limit = std::chrono::seconds(60);
  /// Longest time between two reports of finished KV.
  Duration stall_limit = std::chrono::seconds(30);
  /// Longest time from the last report until all puts are flushed, and for puts after an abort.
  Duration transfer_limit = std::chrono::seconds(10);
  /// Layer groups are put on their own when they have at least this many bytes in a block; smaller
  /// ones wait for more layers. None: what pays on the path, and 64 KiB until that is known.
  std::optional<int64_t> least_piece_bytes;
};

struct PrefillSideStats {
  int32_t queued = 0;
  int32_t prefilling = 0;
  int32_t flushing = 0;
  int32_t aborting = 0;
  int64_t committed = 0;
  std::array<int64_t, kFailures> failures{};
  IgnoredCounts ignored;
};

/// The sending half of the hand-off protocol: accepts offers, puts finished KV, commits.
/// *Threads*: lives on the transport thread. *Invariants*: every entry has a deadline; a commit is
/// sent only after all its puts were flushed, an acknowledgement only when none can still land.
class PrefillSide {
 public:
  /// `transport`, `listener` and `clock` outlive this.
  PrefillSide(const PrefillSideOptions& options, LocalWorker local, transport::Transport& transport,
              PrefillSideListener& listener, Clock& clock);
  ~PrefillSide();

  /// After the join and Transport::Connect. Fails with FailedPrecondition when incompatible.
  Status AddPeer(transport::PeerId peer, const PeerDescription& description);
  /// Aborts its hand-offs. Then call Transport::Disconnect, which ends their puts.
  void LosePeer(transport::PeerId peer, const Status& status);

  /// The engine's calls, in its order; those for sequences that ended are ignored. `at`, `end`:
  /// when the engine made them, where that is known better than by their arrival.
  void Blocks(SequenceId sequence, std::vector<BlockId> blocks, int32_t cached_tokens,
              std::optional<TimePoint> at = {});
  /// `computed`: when the engine did that; absent for what it had in its prefix cache.
  struct Computed {
    TimePoint begin;
    TimePoint end;
  };
  void KvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end, int32_t tokens,
               std::optional<Computed> computed = {});
  void Prefilled(SequenceId sequence, const TokenOutput& first, std::optional<TimePoint> end = {});
  void Failed(SequenceId sequence, const Status& status);

  /// Refuses further offers with Unavailable; those under way go on.
  void Drain();

  /// The transport's calls, for messages whose SideOf() is kPrefill and for all transfers.
  void OnMessage(transport::PeerId peer, std::span<const std::byte> message);
  void OnTransferDone(transport::PeerId peer, transport::TransferId transfer, const Status& status);
  /// Reports progress to the decode sides and acts on what is due. Call at NextDeadline() or more
  /// often.
  void Tick();
  std::optional<TimePoint> NextDeadline() const;

  PrefillSideStats Stats() const;
  /// One line per hand-off, for logs on a stall.
  std::string DebugString() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::handoff
