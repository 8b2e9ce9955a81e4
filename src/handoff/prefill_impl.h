#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "baton/handoff/prefill_side.h"
#include "baton/transport/transport.h"
#include "peers.h"
#include "prefill_trace.h"
#include "push_plan.h"
#include "wire.h"

namespace baton::handoff {

/// See PrefillSide. A hand-off is
///   queued --blocks--> prefilling --prefilled--> flushing --last put ended--> committed, gone
///   any --failure, abort, peer lost, deadline--> aborting --last put ended--> acknowledged, gone
class PrefillSide::Impl {
 public:
  Impl(const PrefillSideOptions& options, LocalWorker local, transport::Transport& transport,
       PrefillSideListener& listener, Clock& clock);

  Status AddPeer(transport::PeerId peer, const PeerDescription& description) {
    return peers_.Add(peer, description);
  }
  void LosePeer(transport::PeerId peer, const Status& status);
  void Blocks(SequenceId sequence, std::vector<BlockId> blocks, int32_t cached_tokens,
              std::optional<TimePoint> at);
  void KvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end, int32_t tokens,
               const std::optional<Computed>& computed);
  void Prefilled(SequenceId sequence, const TokenOutput& first, std::optional<TimePoint> end);
  void Failed(SequenceId sequence, const Status& status);
  void Drain() { draining_ = true; }
  void OnMessage(transport::PeerId peer, std::span<const std::byte> bytes);
  void OnTransferDone(transport::TransferId transfer, const Status& status);
  void Tick();
  std::optional<TimePoint> NextDeadline() const;
  PrefillSideStats Stats() const;
  std::string DebugString() const;

 private:
  enum class State : uint8_t { kQueued, kPrefilling, kFlushing, kAborting };
  struct Entry {
    Entry(HandoffId handoff_id, transport::PeerId from, PushPlan::Options options)
        : handoff(handoff_id), peer(from), plan(std::move(options)) {}

    const HandoffId handoff;
    const transport::PeerId peer;
    State state = State::kQueued;
    PushPlan plan;
    int32_t prompt_tokens = 0;
    Duration lease{};
    bool checksums = false;
    /// Of the decode side's blocks before `checked_tokens`, without those that it has already.
    std::vector<uint32_t> block_checksums;
    int32_t checked_tokens = 0;
    std::map<transport::TransferId, PutUnderWay> puts;
    PrefillTrace trace;
    TokenOutput first;
    TimePoint since;
    TimePoint deadline;
    TimePoint next_progress;
    Stages stages;
    TransferFigures figures;
    Failure failure{};
    Status status;
  };
  using Entries = std::map<SequenceId, Entry>;
  using Key = std::pair<transport::PeerId, HandoffId>;

  void Accept(transport::PeerId peer, const Envelope& envelope, const Offer& offer);
  /// `geometry` is the decode side's.
  Status CheckOffer(const Offer& offer, const kv::KvGeometry& geometry) const;
  int64_t LeastPieceBytes(transport::PeerId peer) const;
  void AbortFromPeer(transport::PeerId peer, HandoffId handoff, const Abort& abort);
  /// The entry when it is there and in that state.
  Entries::iterator FindIn(SequenceId sequence, State state);
  void Enter(Entry& entry, State state, Duration limit);
  /// The same, `since` being some time ago.
  void Enter(Entry& entry, State state, Duration limit, TimePoint since);
  /// False when the hand-off is aborted by that, and `entry` perhaps gone.
  bool Put(Entries::iterator entry, const std::vector<transport::Descriptor>& descriptors);
  /// Takes the checksums of the blocks before `end` as soon as their KV is there, so that little is
  /// left to do at the end. `end`: whole blocks of the decode side, or all that is put.
  void ExtendChecksums(Entry& entry, int32_t end);
  /// Commits or acknowledges when the last put has ended.
  void FinishIfFlushed(Entries::iterator entry);
  Status SendCommit(Entry& entry);
  struct End {
    Failure failure{};
    Status status;
    /// Whether to send an abort, and whether the engine still works on it.
    bool tell_peer = true;
    bool tell_engine = true;
  };
  void BeginAbort(Entries::iterator entry, const End& end);
  void Erase(Entries::iterator entry);
  std::vector<SequenceId> Sequences() const;
  void TickOne(Entries::iterator entry, TimePoint now);
  void Ignore(Ignored reason) { ++ignored_[reason]; }

  const PrefillSideOptions options_;
  const LocalWorker local_;
  transport::Transport& transport_;
  PrefillSideListener& listener_;
  Clock& clock_;
  Peers peers_;
  Entries entries_;
  std::map<Key, SequenceId> by_handoff_;
  std::map<transport::TransferId, SequenceId> by_put_;
  bool draining_ = false;
  int64_t committed_ = 0;
  std::array<int64_t, kFailures> failures_{};
  IgnoredCounts ignored_;
};

}  // namespace baton::handoff
