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
#include "baton/telemetry/trace.h"

namespace baton::handoff {

/// What arrived with a commit.
struct CommitReport {
  transport::PeerId peer{};
  Stages stages;
  TransferFigures transfer;
  /// When the prompt was offered first, and when the commit arrived; its checks came after that.
  TimePoint offered;
  TimePoint arrived;
  /// How often the prompt was handed over again because bytes were damaged.
  int32_t redone = 0;
  /// Of the prefill side, by our clock, when the request is traced.
  std::optional<telemetry::ProcessTrace> trace;
};

/// What the decode side tells its worker, which does not hear of hand-offs that are done again. A
/// sequence that was offered sees one of: OnCommitted; OnHandoffFailed then OnReleased (maybe at
/// once); OnReleased alone after Cancel().
class DecodeSideListener {
 public:
  virtual ~DecodeSideListener() = default;
  /// The prompt's KV is whole in our blocks (engine: Commit). The blocks are ours alone again.
  virtual void OnCommitted(SequenceId sequence, TokenOutput first, const CommitReport& report) = 0;
  /// No commit will come; puts may still land (engine: FailHandoff, which quarantines).
  virtual void OnHandoffFailed(SequenceId sequence, Failure failure, Status status) = 0;
  /// No put can land any more (engine: Release).
  virtual void OnReleased(SequenceId sequence) = 0;
  /// The peer left an abort unanswered for its deadline: close its join and lose it.
  virtual void OnPeerStuck(transport::PeerId peer, Status status) = 0;
};

struct DecodeSideOptions {
  /// Most hand-offs at once, quarantined ones included.
  int32_t handoffs = 1024;
  /// How long a reservation lasts after the offer or the last sign of progress.
  Duration lease = std::chrono::seconds(5);
  /// How long a peer may take to acknowledge an abort before it counts as stuck.
  Duration abort_deadline = std::chrono::seconds(5);
  /// How long the blocks of a lost peer stay quarantined of which nothing can be known; those of
  /// one whose process is there stay so until it has ended or joins again.
  Duration quarantine = std::chrono::seconds(30);
  /// Has the prefill side send a CRC32C per block and checks them before a commit counts.
  bool checksums = false;
  /// How often a hand-off whose bytes were damaged is offered again. Chance alone hardly ever
  /// strikes twice; whatever damages three in a row will damage the next one too, and each costs
  /// the client a prefill.
  int32_t redos = 2;
};

struct DecodeSideStats {
  int32_t offered = 0;
  int32_t aborting = 0;
  int32_t quarantined = 0;
  /// Blocks that no sequence may use because puts may still land, by what they are waiting for: the
  /// answer to the abort after a failure, or news of a lost peer (kPeerLost).
  std::array<int64_t, kFailures> quarantined_blocks{};
  /// Since when the oldest of them are.
  Duration oldest_quarantine{};
  int64_t committed = 0;
  /// Offers that were made again because bytes were damaged.
  int64_t redone = 0;
  /// Quarantines that ended by their deadline, without proof.
  int64_t released_without_proof = 0;
  std::array<int64_t, kFailures> failures{};
  IgnoredCounts ignored;
};

/// The receiving half of the hand-off protocol: reserves by offering, accepts commits, quarantines.
/// *Threads*: lives on the transport thread. *Invariants*: every entry has a deadline; a sequence
/// is reported committed only after its commit passed all checks; it is reported released only
/// after the prefill side's word, proof, or the quarantine's end.
class DecodeSide {
 public:
  /// `transport`, `listener` and `clock` outlive this.
  DecodeSide(const DecodeSideOptions& options, LocalWorker local, transport::Transport& transport,
             DecodeSideListener& listener, Clock& clock);
  ~DecodeSide();

  /// After the join and Transport::Connect. A peer that has joined before says thereby that none of
  /// its earlier puts can land any more. Fails with FailedPrecondition when incompatible.
  Status AddPeer(transport::PeerId peer, const PeerDescription& description);
  /// Reports its hand-offs failed; their blocks stay quarantined. Then call Transport::Disconnect.
  void LosePeer(transport::PeerId peer, const Status& status);

  struct Reservation {
    SequenceId sequence{};
    /// All blocks of the prompt in order of position, those of `cached_tokens` included.
    std::vector<BlockId> blocks;
    /// Leading tokens that are already there; a multiple of block_tokens, less than the prompt.
    int32_t cached_tokens = 0;
  };
  /// Asks `peer` to prefill `request` into the reserved blocks. On failure nothing was sent and no
  /// call will follow: fail the sequence and release it. Fails with Unavailable, InvalidArgument or
  /// ResourceExhausted.
  Status Offer(transport::PeerId peer, const Request& request, const Reservation& reservation);
  /// The request is given up. True: OnReleased will follow. False: the sequence is not here.
  bool Cancel(SequenceId sequence);

  void OnMessage(transport::PeerId peer, std::span<const std::byte> message);
  /// Acts on what is due. Call at NextDeadline() or more often.
  void Tick();
  std::optional<TimePoint> NextDeadline() const;

  /// Hand-offs from this peer, but for quarantined ones.
  int32_t UnderWay(transport::PeerId peer) const;
  /// Blocks of that process's hand-offs wait for its word.
  bool Awaits(const Epoch& epoch) const;
  DecodeSideStats Stats() const;
  /// One line per hand-off, for logs on a stall.
  std::string DebugString() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::handoff
