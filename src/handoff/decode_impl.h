#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "baton/handoff/decode_side.h"
#include "baton/transport/transport.h"
#include "peers.h"
#include "wire.h"

namespace baton::handoff {

/// See DecodeSide. A hand-off is
///   offered --commit--> gone
///   offered --refusal--> gone
///   offered --cancel, lease, bad commit, the peer's abort--> aborting --acknowledgement--> gone
///   offered --damaged bytes--> aborting, to be redone --acknowledgement--> offered, under a new id
///   offered, aborting --peer lost--> quarantined --proof, rejoin or deadline--> gone
class DecodeSide::Impl {
 public:
  Impl(const DecodeSideOptions& options, LocalWorker local, transport::Transport& transport,
       DecodeSideListener& listener, Clock& clock);

  Status AddPeer(transport::PeerId peer, const PeerDescription& description);
  void LosePeer(transport::PeerId peer, const Status& status);
  Status Offer(transport::PeerId peer, const Request& request, const Reservation& reservation);
  bool Cancel(SequenceId sequence);
  void OnMessage(transport::PeerId peer, std::span<const std::byte> bytes);
  void Tick();
  std::optional<TimePoint> NextDeadline() const;
  int32_t UnderWay(transport::PeerId peer) const;
  bool Awaits(const Epoch& epoch) const;
  DecodeSideStats Stats() const;
  std::string DebugString() const;

 private:
  enum class State : uint8_t { kOffered, kAborting, kQuarantined };
  struct Entry {
    SequenceId sequence{};
    transport::PeerId peer{};
    State state = State::kOffered;
    /// All of the prompt; those of `cached_tokens` are not written.
    std::vector<BlockId> blocks;
    int32_t cached_tokens = 0;
    /// Tokens up to here are written, those behind the prompt included.
    int32_t put_tokens = 0;
    int32_t prompt_tokens = 0;
    TimePoint offered_at;
    /// Of the offer that is under way: later than the first when it was redone.
    TimePoint sent_at;
    /// Not offered any more: since when, and why its blocks may not be used yet.
    TimePoint failed_at;
    Failure reason{};
    /// Of a lost peer.
    Epoch epoch;
    std::string peer_name;
    /// Of the lease, the acknowledgement or the quarantine.
    TimePoint deadline;
    /// Quarantined: when to look for proof again.
    TimePoint next_check;
    bool progressed = false;
    /// With checksums: what to offer again when bytes were damaged, and how often that was.
    std::optional<handoff::Offer> offer;
    int32_t redone = 0;
    /// Aborting: it has not failed; once the peer has acknowledged it is offered again.
    bool redo = false;
  };
  using Entries = std::map<HandoffId, Entry>;

  Status CheckOffer(const Request& request, const Reservation& reservation) const;
  void Handle(Entries::iterator entry, const handoff::Offer& body);
  void Handle(Entries::iterator entry, const Refuse& body);
  void Handle(Entries::iterator entry, const Progress& body);
  void Handle(Entries::iterator entry, const Commit& body);
  void Handle(Entries::iterator entry, const Abort& body);
  void Handle(Entries::iterator entry, const AbortAck& body);
  /// OK when the commit may be accepted; sets the failure otherwise.
  int32_t BlocksToPut(const Entry& entry) const;
  Status CheckCommit(const Entry& entry, const Commit& commit, Failure& failure) const;
  /// Offered -> aborting. `tell`: whether the peer is to be told.
  void BeginAbort(Entries::iterator entry, Failure failure, const Status& status, bool tell);
  void Fail(Entries::iterator entry, const Status& status);
  /// Offers the same under a new id. REQUIRES: no put of the old one can land.
  void Redo(Entries::iterator entry);
  std::string Describe(Entries::const_iterator entry) const;
  void Release(Entries::iterator entry);
  void TickOne(Entries::iterator entry, TimePoint now);
  void TickQuarantined(Entries::iterator entry, TimePoint now);
  void Ignore(Ignored reason) { ++ignored_[reason]; }

  const DecodeSideOptions options_;
  const LocalWorker local_;
  transport::Transport& transport_;
  DecodeSideListener& listener_;
  Clock& clock_;
  Peers peers_;
  Entries entries_;
  std::map<SequenceId, HandoffId> by_sequence_;
  uint64_t last_handoff_ = 0;
  int64_t committed_ = 0;
  int64_t redone_ = 0;
  int64_t released_without_proof_ = 0;
  std::array<int64_t, kFailures> failures_{};
  IgnoredCounts ignored_;
};

}  // namespace baton::handoff
