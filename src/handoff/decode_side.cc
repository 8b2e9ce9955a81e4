#include "baton/handoff/decode_side.h"

#include <algorithm>
#include <utility>

#include "baton/base/logging.h"
#include "block_checksums.h"
#include "decode_impl.h"
#include "push_plan.h"

namespace baton::handoff {
namespace {

/// Between two looks for proof that a lost peer's process has ended.
constexpr Duration kProofInterval = std::chrono::milliseconds(50);

}  // namespace

DecodeSide::Impl::Impl(const DecodeSideOptions& options, LocalWorker local,
                       transport::Transport& transport, DecodeSideListener& listener, Clock& clock)
    : options_(options),
      local_(std::move(local)),
      transport_(transport),
      listener_(listener),
      clock_(clock),
      peers_(local_.description, transport) {}

Status DecodeSide::Impl::AddPeer(transport::PeerId peer, const PeerDescription& description) {
  BATON_RETURN_IF_ERROR(peers_.Add(peer, description));
  size_t blocks = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    const Entry& it = current->second;
    if (it.state != State::kQuarantined || it.epoch != description.worker.epoch) continue;
    blocks += static_cast<size_t>(BlocksToPut(it));
    Release(current);
  }
  if (blocks > 0) {
    BATON_LOG(Info) << blocks << " quarantined blocks are free: " << description.worker.name
                    << " joined again and can put nothing of before";
  }
  return OkStatus();
}

Status DecodeSide::Impl::CheckOffer(const Request& request, const Reservation& reservation) const {
  const kv::KvGeometry& geometry = local_.description.geometry;
  const auto prompt = static_cast<int32_t>(request.prompt.size());
  if (static_cast<int32_t>(entries_.size()) >= options_.handoffs) {
    return ResourceExhausted("too many hand-offs are under way");
  }
  if (by_sequence_.contains(reservation.sequence)) {
    return AlreadyExists("the sequence is being handed over");
  }
  if (prompt == 0 ||
      static_cast<int32_t>(reservation.blocks.size()) != BlocksOf(prompt, geometry) ||
      reservation.cached_tokens % geometry.block_tokens != 0 || reservation.cached_tokens < 0 ||
      reservation.cached_tokens >= prompt ||
      !AllWithin(local_.regions, geometry.block_bytes(), reservation.blocks)) {
    return InvalidArgument("the reserved blocks do not fit a prompt of " + std::to_string(prompt) +
                           " tokens");
  }
  return OkStatus();
}

Status DecodeSide::Impl::Offer(transport::PeerId peer, const Request& request,
                               const Reservation& reservation) {
  BATON_RETURN_IF_ERROR(CheckOffer(request, reservation));
  const HandoffId id{++last_handoff_};
  handoff::Offer offer;
  offer.request = request;
  offer.blocks = reservation.blocks;
  offer.cached_tokens = reservation.cached_tokens;
  offer.lease = options_.lease;
  offer.checksums = options_.checksums;
  const TimePoint now = clock_.Now();
  std::optional<handoff::Offer> kept;
  if (options_.checksums) kept = offer;
  BATON_RETURN_IF_ERROR(peers_.Send(peer, id, std::move(offer)));
  Entry& entry = entries_[id];
  entry.sequence = reservation.sequence;
  entry.peer = peer;
  entry.blocks = reservation.blocks;
  entry.cached_tokens = reservation.cached_tokens;
  entry.prompt_tokens = static_cast<int32_t>(request.prompt.size());
  const kv::KvGeometry& ours = local_.description.geometry;
  entry.put_tokens = PutTokens(entry.prompt_tokens, peers_.Find(peer)->geometry, ours);
  entry.offer = std::move(kept);
  entry.offered_at = entry.sent_at = now;
  entry.deadline = entry.offered_at + options_.lease;
  by_sequence_[reservation.sequence] = id;
  return OkStatus();
}

bool DecodeSide::Impl::Cancel(SequenceId sequence) {
  const auto found = by_sequence_.find(sequence);
  if (found == by_sequence_.end()) return false;
  const auto entry = entries_.find(found->second);
  const bool redo = std::exchange(entry->second.redo, false);
  if (entry->second.state != State::kOffered && !redo) return true;
  ++failures_[static_cast<size_t>(Failure::kCancelled)];
  if (!redo) BeginAbort(entry, Failure::kCancelled, Cancelled("the request was cancelled"), true);
  return true;
}

void DecodeSide::Impl::OnMessage(transport::PeerId peer, std::span<const std::byte> bytes) {
  const Decoded decoded = peers_.Receive(peer, bytes);
  if (const Ignored* reason = std::get_if<Ignored>(&decoded)) return Ignore(*reason);
  const Message& message = std::get<Message>(decoded);
  const HandoffId id = message.envelope.handoff;
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) {
    // Of a hand-off that ended, e.g. a second commit; or of one that never was.
    const bool ours = Index(id) != 0 && Index(id) <= last_handoff_;
    return Ignore(ours ? Ignored::kDuplicate : Ignored::kUnknownHandoff);
  }
  if (entry->second.peer != peer) return Ignore(Ignored::kUnknownHandoff);
  std::visit([&](const auto& body) { Handle(entry, body); }, message.body);
}

void DecodeSide::Impl::Handle(Entries::iterator, const handoff::Offer&) {
  Ignore(Ignored::kOutOfOrder);
}

void DecodeSide::Impl::Handle(Entries::iterator entry, const Refuse& body) {
  if (entry->second.progressed) return Ignore(Ignored::kOutOfOrder);
  if (entry->second.state != State::kOffered) return;  // Crossed our abort; its answer follows.
  entry->second.state = State::kAborting;
  entry->second.reason = Failure::kRefused;
  Fail(entry, body.status);
  Release(entry);
}

void DecodeSide::Impl::Handle(Entries::iterator entry, const Progress&) {
  if (entry->second.state != State::kOffered) return;
  entry->second.progressed = true;
  entry->second.deadline = clock_.Now() + options_.lease;
}

void DecodeSide::Impl::Handle(Entries::iterator entry, const Commit& body) {
  if (entry->second.state != State::kOffered) return;  // Too late; the acknowledgement follows.
  const TimePoint arrived = clock_.Now();
  Failure failure{};
  const Status status = CheckCommit(entry->second, body, failure);
  if (!status.ok()) {
    BeginAbort(entry, failure, status, true);
    const bool redo = failure == Failure::kChecksum && entry->second.redone < options_.redos;
    if (!redo) return Fail(entry, status);
    entry->second.redo = true;
    ++failures_[static_cast<size_t>(failure)];
    BATON_LOG(Warning) << Describe(entry) << " is done again: " << status;
    return;
  }
  CommitReport report{.peer = entry->second.peer,
                      .stages = body.stages,
                      .transfer = body.transfer,
                      .offered = entry->second.offered_at,
                      .arrived = arrived,
                      .redone = entry->second.redone,
                      .trace = body.trace};
  if (report.trace) {
    telemetry::BringToOurClock(
        *report.trace, telemetry::CompareClocks(*report.trace, entry->second.sent_at, arrived));
  }
  const Duration elsewhere = body.stages.queued + body.stages.prefill + body.stages.transfer;
  report.stages.commit =
      std::max(Duration::zero(), clock_.Now() - entry->second.offered_at - elsewhere);
  const SequenceId sequence = entry->second.sequence;
  by_sequence_.erase(sequence);
  entries_.erase(entry);
  ++committed_;
  listener_.OnCommitted(sequence, body.first, report);
}

int32_t DecodeSide::Impl::BlocksToPut(const Entry& entry) const {
  return BlocksOf(entry.prompt_tokens - entry.cached_tokens, local_.description.geometry);
}

Status DecodeSide::Impl::CheckCommit(const Entry& entry, const Commit& commit,
                                     Failure& failure) const {
  failure = Failure::kBadCommit;
  const int32_t blocks = BlocksToPut(entry);
  if (commit.blocks != blocks || commit.prompt_tokens != entry.prompt_tokens ||
      commit.first.position != entry.prompt_tokens) {
    return DataLoss("the commit is of " + std::to_string(commit.blocks) + " blocks and " +
                    std::to_string(commit.prompt_tokens) + " tokens, the offer of " +
                    std::to_string(blocks) + " and " + std::to_string(entry.prompt_tokens));
  }
  if (!options_.checksums) return OkStatus();
  if (static_cast<int32_t>(commit.checksums.size()) != blocks) {
    return DataLoss("the commit lacks checksums");
  }
  failure = Failure::kChecksum;
  const kv::KvGeometry& ours = local_.description.geometry;
  const auto found = BlockChecksums(ours, {ours, local_.regions, entry.blocks}, entry.cached_tokens,
                                    entry.put_tokens);
  const auto differs = std::mismatch(found.begin(), found.end(), commit.checksums.begin());
  if (differs.first == found.end()) return OkStatus();
  return DataLoss("block " + std::to_string(differs.first - found.begin()) + " of " +
                  std::to_string(blocks) + " did not arrive as it was sent");
}

void DecodeSide::Impl::Handle(Entries::iterator entry, const Abort& body) {
  if (!body.by_prefill) return Ignore(Ignored::kOutOfOrder);
  if (entry->second.state != State::kOffered) return;
  BeginAbort(entry, body.failure, body.status, false);
  Fail(entry, body.status);
}

void DecodeSide::Impl::Handle(Entries::iterator entry, const AbortAck&) {
  if (entry->second.state != State::kAborting) return Ignore(Ignored::kOutOfOrder);
  entry->second.redo ? Redo(entry) : Release(entry);
}

void DecodeSide::Impl::Redo(Entries::iterator entry) {
  const HandoffId id{++last_handoff_};
  entry->second.sent_at = clock_.Now();
  const Status sent = peers_.Send(entry->second.peer, id, *entry->second.offer);
  if (!sent.ok()) {
    entry->second.reason = Failure::kPeerLost;
    Fail(entry, sent);
    return Release(entry);
  }
  auto node = entries_.extract(entry);
  node.key() = id;
  Entry& again = node.mapped();
  again.state = State::kOffered;
  again.deadline = again.sent_at + options_.lease;
  again.progressed = again.redo = false;
  ++again.redone;
  ++redone_;
  by_sequence_[again.sequence] = id;
  entries_.insert(std::move(node));
}

void DecodeSide::Impl::BeginAbort(Entries::iterator entry, Failure failure, const Status& status,
                                  bool tell) {
  entry->second.state = State::kAborting;
  entry->second.reason = failure;
  entry->second.failed_at = clock_.Now();
  entry->second.deadline = clock_.Now() + options_.abort_deadline;
  if (!tell) return;
  peers_.Tell(entry->second.peer, entry->first, Abort{.status = status});
}

void DecodeSide::Impl::Fail(Entries::iterator entry, const Status& status) {
  const Failure failure = entry->second.reason;
  ++failures_[static_cast<size_t>(failure)];
  listener_.OnHandoffFailed(entry->second.sequence, failure, status);
}

void DecodeSide::Impl::Release(Entries::iterator entry) {
  const SequenceId sequence = entry->second.sequence;
  by_sequence_.erase(sequence);
  entries_.erase(entry);
  listener_.OnReleased(sequence);
}

void DecodeSide::Impl::LosePeer(transport::PeerId peer, const Status& status) {
  const Peers::Peer* const found = peers_.Find(peer);
  const Peers::Peer lost = found == nullptr ? Peers::Peer{} : *found;
  peers_.Remove(peer);
  const TimePoint now = clock_.Now();
  size_t blocks = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->second.peer != peer || entry->second.state == State::kQuarantined) continue;
    const bool redo = std::exchange(entry->second.redo, false);
    const bool unfailed = entry->second.state == State::kOffered || redo;
    entry->second.state = State::kQuarantined;
    entry->second.reason = Failure::kPeerLost;
    entry->second.epoch = lost.epoch;
    entry->second.peer_name = lost.name;
    entry->second.deadline = now + options_.quarantine;
    entry->second.next_check = now;
    blocks += static_cast<size_t>(BlocksToPut(entry->second));
    if (!unfailed) continue;
    entry->second.failed_at = now;
    Fail(entry, status);
  }
  if (blocks > 0) {
    BATON_LOG(Info) << blocks << " blocks are quarantined: " << lost.name
                    << " was lost and may still put into them";
  }
}

void DecodeSide::Impl::Tick() {
  const TimePoint now = clock_.Now();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    TickOne(current, now);
  }
}

void DecodeSide::Impl::TickOne(Entries::iterator entry, TimePoint now) {
  Entry& it = entry->second;
  if (it.state == State::kQuarantined) return TickQuarantined(entry, now);
  if (now < it.deadline) return;
  switch (it.state) {
    case State::kOffered: {
      const Status status = DeadlineExceeded("the prefill side reported no progress for " +
                                             std::to_string(Seconds(options_.lease)) + " s");
      BeginAbort(entry, Failure::kLeaseExpired, status, true);
      return Fail(entry, status);
    }
    case State::kAborting:
      it.deadline = now + options_.abort_deadline;
      return listener_.OnPeerStuck(it.peer, DeadlineExceeded("an abort was not acknowledged"));
    case State::kQuarantined: return;
  }
}

/// A process that is there, though it may be stopped, can go on with a put at any time.
void DecodeSide::Impl::TickQuarantined(Entries::iterator entry, TimePoint now) {
  Entry& it = entry->second;
  if (now >= it.next_check) {
    it.next_check = now + kProofInterval;
    if (!transport_.CanStillWrite(it.peer)) return Release(entry);
  }
  if (now < it.deadline) return;
  if (transport_.IsThere(it.peer)) {
    it.deadline = now + options_.quarantine;
    BATON_LOG(Warning) << "still quarantined, as the peer's process is there but has not joined "
                          "again: "
                       << Describe(entry);
    return;
  }
  ++released_without_proof_;
  BATON_LOG(Warning) << "the quarantine ends without proof that the peer has stopped: "
                     << Describe(entry);
  Release(entry);
}

std::optional<TimePoint> DecodeSide::Impl::NextDeadline() const {
  std::optional<TimePoint> next;
  for (const auto& [id, entry] : entries_) {
    TimePoint due = entry.deadline;
    if (entry.state == State::kQuarantined) due = std::min(due, entry.next_check);
    if (!next || due < *next) next = due;
  }
  return next;
}

int32_t DecodeSide::Impl::UnderWay(transport::PeerId peer) const {
  return static_cast<int32_t>(
      std::count_if(entries_.begin(), entries_.end(), [peer](const auto& entry) {
        return entry.second.peer == peer && entry.second.state != State::kQuarantined;
      }));
}

bool DecodeSide::Impl::Awaits(const Epoch& epoch) const {
  return std::any_of(entries_.begin(), entries_.end(), [&epoch](const auto& entry) {
    return entry.second.epoch == epoch && entry.second.state == State::kQuarantined;
  });
}

DecodeSideStats DecodeSide::Impl::Stats() const {
  DecodeSideStats stats;
  for (const auto& [id, entry] : entries_) {
    stats.offered += entry.state == State::kOffered;
    stats.aborting += entry.state == State::kAborting;
    stats.quarantined += entry.state == State::kQuarantined;
    if (entry.state == State::kOffered) continue;
    stats.quarantined_blocks[static_cast<size_t>(entry.reason)] += BlocksToPut(entry);
    stats.oldest_quarantine = std::max(stats.oldest_quarantine, clock_.Now() - entry.failed_at);
  }
  stats.committed = committed_;
  stats.redone = redone_;
  stats.released_without_proof = released_without_proof_;
  stats.failures = failures_;
  stats.ignored = ignored_;
  return stats;
}

std::string DecodeSide::Impl::DebugString() const {
  std::string text;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    text += Describe(entry) + "\n";
  }
  return text;
}

std::string DecodeSide::Impl::Describe(Entries::const_iterator entry) const {
  static constexpr const char* kNames[] = {"offered", "aborting", "quarantined"};
  const Entry& it = entry->second;
  const TimePoint now = clock_.Now();
  std::ostringstream out;
  out << "hand-off " << Index(entry->first) << " sequence " << Index(it.sequence) << " peer "
      << Index(it.peer) << (it.peer_name.empty() ? "" : " (" + it.peer_name + ")") << " "
      << kNames[static_cast<int>(it.state)] << ", " << BlocksToPut(it) << " blocks, offered "
      << Seconds(now - it.offered_at) << " s ago";
  if (it.state != State::kOffered) {
    out << ", quarantined for " << Seconds(now - it.failed_at) << " s by "
        << FailureName(it.reason);
  }
  out << ", deadline in " << Seconds(it.deadline - now) << " s";
  return out.str();
}

DecodeSide::DecodeSide(const DecodeSideOptions& options, LocalWorker local,
                       transport::Transport& transport, DecodeSideListener& listener, Clock& clock)
    : impl_(std::make_unique<Impl>(options, std::move(local), transport, listener, clock)) {}
DecodeSide::~DecodeSide() = default;
Status DecodeSide::AddPeer(transport::PeerId peer, const PeerDescription& description) {
  return impl_->AddPeer(peer, description);
}
void DecodeSide::LosePeer(transport::PeerId peer, const Status& status) {
  impl_->LosePeer(peer, status);
}
Status DecodeSide::Offer(transport::PeerId peer, const Request& request,
                         const Reservation& reservation) {
  return impl_->Offer(peer, request, reservation);
}
bool DecodeSide::Cancel(SequenceId sequence) { return impl_->Cancel(sequence); }
void DecodeSide::OnMessage(transport::PeerId peer, std::span<const std::byte> message) {
  impl_->OnMessage(peer, message);
}
void DecodeSide::Tick() { impl_->Tick(); }
std::optional<TimePoint> DecodeSide::NextDeadline() const { return impl_->NextDeadline(); }
int32_t DecodeSide::UnderWay(transport::PeerId peer) const { return impl_->UnderWay(peer); }
bool DecodeSide::Awaits(const Epoch& epoch) const { return impl_->Awaits(epoch); }
DecodeSideStats DecodeSide::Stats() const { return impl_->Stats(); }
std::string DecodeSide::DebugString() const { return impl_->DebugString(); }

}  // namespace baton::handoff
