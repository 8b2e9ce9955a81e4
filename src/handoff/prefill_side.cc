#include "baton/handoff/prefill_side.h"

#include <algorithm>

#include "baton/base/logging.h"
#include "baton/handoff/layer_groups.h"
#include "block_checksums.h"
#include "prefill_impl.h"

namespace baton::handoff {
namespace {

/// Longest lease that an offer may ask for.
constexpr Duration kLongestLease = std::chrono::hours(1);
constexpr int64_t kUsualLeastPieceBytes = 64 << 10;
/// Signs of progress per lease.
constexpr int kProgressPerLease = 3;

}  // namespace

PrefillSide::Impl::Impl(const PrefillSideOptions& options, LocalWorker local,
                        transport::Transport& transport, PrefillSideListener& listener,
                        Clock& clock)
    : options_(options),
      local_(std::move(local)),
      transport_(transport),
      listener_(listener),
      clock_(clock),
      peers_(local_.description, transport) {}

void PrefillSide::Impl::OnMessage(transport::PeerId peer, std::span<const std::byte> bytes) {
  const Decoded decoded = peers_.Receive(peer, bytes);
  if (const Ignored* reason = std::get_if<Ignored>(&decoded)) return Ignore(*reason);
  const Message& message = std::get<Message>(decoded);
  if (const Offer* offer = std::get_if<Offer>(&message.body)) {
    return Accept(peer, message.envelope, *offer);
  }
  const Abort* abort = std::get_if<Abort>(&message.body);
  if (abort == nullptr || abort->by_prefill) return Ignore(Ignored::kOutOfOrder);
  AbortFromPeer(peer, message.envelope.handoff, *abort);
}

Status PrefillSide::Impl::CheckOffer(const Offer& offer, const kv::KvGeometry& geometry) const {
  const size_t tokens = offer.request.prompt.size();
  if (tokens == 0 || tokens > static_cast<size_t>(options_.prompt_tokens)) {
    return InvalidArgument("the prompt has " + std::to_string(tokens) + " tokens, at most " +
                           std::to_string(options_.prompt_tokens) + " are taken");
  }
  const auto prompt = static_cast<int32_t>(tokens);
  if (static_cast<int32_t>(offer.blocks.size()) != BlocksOf(prompt, geometry) ||
      offer.cached_tokens < 0 || offer.cached_tokens >= prompt ||
      offer.cached_tokens % geometry.block_tokens != 0) {
    return InvalidArgument("the offered blocks do not fit the prompt");
  }
  if (offer.lease <= Duration::zero() || offer.lease > kLongestLease) {
    return InvalidArgument("the lease is out of range");
  }
  // Of ranks on other nodes.
  const auto out_of_reach = [](const auto& region) { return region.data == nullptr; };
  if (offer.checksums && std::ranges::any_of(local_.regions, out_of_reach)) {
    return InvalidArgument("checksums cannot be had of a worker over several nodes");
  }
  if (draining_) return Unavailable("the prefill worker is about to stop");
  if (static_cast<int32_t>(entries_.size()) >= options_.handoffs) {
    return ResourceExhausted("the prefill worker has as many hand-offs as it takes");
  }
  return OkStatus();
}

void PrefillSide::Impl::Accept(transport::PeerId peer, const Envelope& envelope,
                               const Offer& offer) {
  Peers::Peer& from = *peers_.Find(peer);
  if (Index(envelope.handoff) <= from.last_offer) return Ignore(Ignored::kDuplicate);
  from.last_offer = Index(envelope.handoff);
  const TimePoint received = clock_.Now();
  const Status status = CheckOffer(offer, from.geometry);
  Result<SequenceId> sequence =
      status.ok() ? listener_.OnOffer(peer, offer.request) : Result<SequenceId>(status);
  if (!sequence.ok()) {
    ++failures_[static_cast<size_t>(Failure::kRefused)];
    peers_.Tell(peer, envelope.handoff, Refuse{sequence.status()});
    return;
  }
  const auto prompt = static_cast<int32_t>(offer.request.prompt.size());
  const auto added =
      entries_.try_emplace(*sequence, envelope.handoff, peer,
                           PushPlan::Options{.source = local_.description.geometry,
                                             .destination = from.geometry,
                                             .prompt_tokens = prompt,
                                             .cached_tokens = offer.cached_tokens,
                                             .least_piece_bytes = LeastPieceBytes(peer),
                                             .blocks = offer.blocks});
  BATON_CHECK(added.second) << "sequence " << Index(*sequence) << " is in use";
  Entry& entry = added.first->second;
  entry.prompt_tokens = prompt;
  entry.checked_tokens = offer.cached_tokens;
  entry.lease = offer.lease;
  entry.checksums = offer.checksums;
  Enter(entry, State::kQueued, options_.queue_limit, received);
  entry.next_progress = entry.since + offer.lease / kProgressPerLease;
  if (offer.request.trace) entry.trace.Start(local_.description.name, entry.since);
  by_handoff_[{peer, envelope.handoff}] = *sequence;
}

int64_t PrefillSide::Impl::LeastPieceBytes(transport::PeerId peer) const {
  if (options_.least_piece_bytes) return *options_.least_piece_bytes;
  const std::optional<transport::PathCost> cost = transport_.CostOf(peer);
  return cost ? handoff::LeastPieceBytes(*cost) : kUsualLeastPieceBytes;
}

void PrefillSide::Impl::AbortFromPeer(transport::PeerId peer, HandoffId handoff,
                                      const Abort& abort) {
  const auto found = by_handoff_.find({peer, handoff});
  if (found != by_handoff_.end()) {
    const auto entry = entries_.find(found->second);
    if (entry->second.state == State::kAborting) return;
    return BeginAbort(entry, {.failure = Failure::kCancelled,
                              .status = abort.status,
                              .tell_peer = false,
                              .tell_engine = entry->second.state != State::kFlushing});
  }
  if (Index(handoff) > peers_.Find(peer)->last_offer) return Ignore(Ignored::kUnknownHandoff);
  // It ended before; nothing of it is left that could land.
  peers_.Tell(peer, handoff, AbortAck{});
}

PrefillSide::Impl::Entries::iterator PrefillSide::Impl::FindIn(SequenceId sequence, State state) {
  const auto entry = entries_.find(sequence);
  return entry == entries_.end() || entry->second.state != state ? entries_.end() : entry;
}

void PrefillSide::Impl::Enter(Entry& entry, State state, Duration limit) {
  entry.state = state;
  entry.since = clock_.Now();
  entry.deadline = entry.since + limit;
}

void PrefillSide::Impl::Enter(Entry& entry, State state, Duration limit, TimePoint since) {
  const TimePoint earliest = entry.since;
  Enter(entry, state, limit);
  entry.since = std::clamp(since, earliest, entry.since);
}

void PrefillSide::Impl::Blocks(SequenceId sequence, std::vector<BlockId> blocks,
                               int32_t cached_tokens, std::optional<TimePoint> at) {
  const auto entry = FindIn(sequence, State::kQueued);
  if (entry == entries_.end()) return;
  const TimePoint queued_since = entry->second.since;
  Enter(entry->second, State::kPrefilling, options_.stall_limit, at.value_or(clock_.Now()));
  entry->second.stages.queued = entry->second.since - queued_since;
  entry->second.trace.Queued(entry->second.since, cached_tokens);
  PushPlan& plan = entry->second.plan;
  plan.SetSource(std::move(blocks));
  plan.Ready(0, local_.description.geometry.layers, cached_tokens);
  Put(entry, plan.Take());
}

void PrefillSide::Impl::KvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                                int32_t tokens, const std::optional<Computed>& computed) {
  const auto entry = FindIn(sequence, State::kPrefilling);
  if (entry == entries_.end()) return;
  if (computed) entry->second.trace.Chunk(*computed, tokens, layer_begin, layer_end);
  entry->second.deadline = clock_.Now() + options_.stall_limit;
  PushPlan& plan = entry->second.plan;
  plan.Ready(layer_begin, layer_end, tokens);
  if (!Put(entry, plan.Take())) return;
  const int32_t block_tokens = plan.destination().block_tokens;
  ExtendChecksums(entry->second, plan.tokens_ready() / block_tokens * block_tokens);
}

void PrefillSide::Impl::Prefilled(SequenceId sequence, const TokenOutput& first,
                                  std::optional<TimePoint> end) {
  const auto entry = FindIn(sequence, State::kPrefilling);
  if (entry == entries_.end()) return;
  entry->second.first = first;
  const TimePoint prefilling_since = entry->second.since;
  Enter(entry->second, State::kFlushing, options_.transfer_limit, end.value_or(clock_.Now()));
  entry->second.stages.prefill = entry->second.since - prefilling_since;
  entry->second.trace.Prefilled(entry->second.since, entry->second.prompt_tokens);
  PushPlan& plan = entry->second.plan;
  if (!Put(entry, plan.TakeRest())) return;
  ExtendChecksums(entry->second, PutTokens(entry->second.prompt_tokens, local_.description.geometry,
                                           plan.destination()));
  FinishIfFlushed(FindIn(sequence, State::kFlushing));
}

void PrefillSide::Impl::ExtendChecksums(Entry& entry, int32_t end) {
  if (!entry.checksums || end <= entry.checked_tokens) return;
  const PromptKv kv{local_.description.geometry, local_.regions, entry.plan.source_blocks()};
  const auto found = BlockChecksums(entry.plan.destination(), kv, entry.checked_tokens, end);
  entry.block_checksums.insert(entry.block_checksums.end(), found.begin(), found.end());
  entry.checked_tokens = end;
}

void PrefillSide::Impl::Failed(SequenceId sequence, const Status& status) {
  const auto entry = entries_.find(sequence);
  if (entry == entries_.end() || entry->second.state == State::kAborting) return;
  BeginAbort(entry, {.failure = Failure::kPrefill, .status = status, .tell_engine = false});
}

bool PrefillSide::Impl::Put(Entries::iterator entry,
                            const std::vector<transport::Descriptor>& descriptors) {
  if (descriptors.empty()) return true;
  PutUnderWay under_way{.begin = clock_.Now(),
                        .descriptors = static_cast<int64_t>(descriptors.size())};
  for (const auto& d : descriptors) under_way.bytes += static_cast<int64_t>(d.bytes);
  const Result<transport::TransferId> put = transport_.Put(entry->second.peer, descriptors);
  if (!put.ok()) {
    const bool computing = entry->second.state != State::kFlushing;
    BeginAbort(entry,
               {.failure = Failure::kTransfer, .status = put.status(), .tell_engine = computing});
    return false;
  }
  entry->second.puts[*put] = under_way;
  by_put_[*put] = entry->first;
  entry->second.figures.descriptors += under_way.descriptors;
  entry->second.figures.bytes += under_way.bytes;
  return true;
}

void PrefillSide::Impl::OnTransferDone(transport::TransferId transfer, const Status& status) {
  const auto put = by_put_.find(transfer);
  if (put == by_put_.end()) return;
  const SequenceId sequence = put->second;
  by_put_.erase(put);
  const auto entry = entries_.find(sequence);
  BATON_CHECK(entry != entries_.end()) << "a put outlived its hand-off";
  entry->second.trace.Put(entry->second.puts.extract(transfer).mapped(), clock_.Now());
  if (!status.ok() && entry->second.state != State::kAborting) {
    const bool computing = entry->second.state != State::kFlushing;
    return BeginAbort(entry,
                      {.failure = Failure::kTransfer, .status = status, .tell_engine = computing});
  }
  FinishIfFlushed(entry);
}

void PrefillSide::Impl::FinishIfFlushed(Entries::iterator entry) {
  if (entry == entries_.end() || !entry->second.puts.empty()) return;
  Entry& it = entry->second;
  if (it.state == State::kAborting) {
    // A lost peer is not told, and needs not be: it knows when the connection is closed.
    if (peers_.Find(it.peer) != nullptr) {
      peers_.Tell(it.peer, it.handoff, AbortAck{});
    }
    return Erase(entry);
  }
  if (it.state != State::kFlushing) return;
  it.stages.transfer = clock_.Now() - it.since;
  it.figures.blocks = it.plan.blocks();
  const Status sent = SendCommit(it);
  if (!sent.ok()) {
    return BeginAbort(entry, {.failure = Failure::kPeerLost, .status = sent, .tell_engine = false});
  }
  ++committed_;
  Erase(entry);
}

Status PrefillSide::Impl::SendCommit(Entry& entry) {
  Commit commit;
  commit.blocks = entry.plan.blocks();
  commit.prompt_tokens = entry.prompt_tokens;
  commit.first = entry.first;
  commit.stages = entry.stages;
  commit.transfer = entry.figures;
  commit.checksums = entry.block_checksums;
  entry.trace.Flushed(entry.since + entry.stages.transfer);
  commit.trace = entry.trace.Take(clock_.Now());
  return peers_.Send(entry.peer, entry.handoff, std::move(commit));
}

void PrefillSide::Impl::BeginAbort(Entries::iterator entry, const End& end) {
  Entry& it = entry->second;
  Enter(it, State::kAborting, options_.transfer_limit);
  it.failure = end.failure;
  it.status = end.status;
  ++failures_[static_cast<size_t>(end.failure)];
  if (end.tell_peer && peers_.Find(it.peer) != nullptr) {
    peers_.Tell(it.peer, it.handoff,
                Abort{.by_prefill = true, .status = end.status, .failure = end.failure});
  }
  if (end.tell_engine) listener_.OnAbort(entry->first);
  FinishIfFlushed(entry);
}

void PrefillSide::Impl::Erase(Entries::iterator entry) {
  const Entry& it = entry->second;
  PrefillReport report{.peer = it.peer,
                       .failure = {},
                       .status = it.status,
                       .stages = it.stages,
                       .transfer = it.figures};
  if (it.state == State::kAborting) report.failure = it.failure;
  const SequenceId sequence = entry->first;
  by_handoff_.erase({it.peer, it.handoff});
  entries_.erase(entry);
  listener_.OnFinished(sequence, report);
}

void PrefillSide::Impl::LosePeer(transport::PeerId peer, const Status& status) {
  peers_.Remove(peer);
  for (const SequenceId sequence : Sequences()) {
    const auto entry = entries_.find(sequence);
    if (entry == entries_.end() || entry->second.peer != peer) continue;
    const State state = entry->second.state;
    if (state == State::kAborting) continue;
    BeginAbort(entry, {.failure = Failure::kPeerLost,
                       .status = status,
                       .tell_peer = false,
                       .tell_engine = state != State::kFlushing});
  }
}

void PrefillSide::Impl::Tick() {
  const TimePoint now = clock_.Now();
  for (const SequenceId sequence : Sequences()) {
    const auto entry = entries_.find(sequence);
    if (entry != entries_.end()) TickOne(entry, now);
  }
}

/// A copy, because the listener may end hand-offs while we go through them.
std::vector<SequenceId> PrefillSide::Impl::Sequences() const {
  std::vector<SequenceId> sequences;
  for (const auto& [sequence, entry] : entries_) sequences.push_back(sequence);
  return sequences;
}

void PrefillSide::Impl::TickOne(Entries::iterator entry, TimePoint now) {
  Entry& it = entry->second;
  const transport::PeerId peer = it.peer;
  if (now >= it.deadline) {
    const Status late =
        DeadlineExceeded(it.state == State::kQueued       ? "the prompt waited too long for prefill"
                         : it.state == State::kPrefilling ? "prefill made no progress"
                                                          : "puts did not end");
    const bool stuck = it.state == State::kFlushing || it.state == State::kAborting;
    if (it.state == State::kAborting) {
      it.deadline = now + options_.transfer_limit;
    } else {
      BeginAbort(entry, {.failure = Failure::kDeadline, .status = late, .tell_engine = !stuck});
    }
    if (stuck) listener_.OnPeerStuck(peer, late);
    return;
  }
  if (it.state == State::kAborting || now < it.next_progress) return;
  it.next_progress = std::max(it.next_progress, now - it.lease) + it.lease / kProgressPerLease;
  peers_.Tell(peer, it.handoff, Progress{it.plan.tokens_ready()});
}

std::optional<TimePoint> PrefillSide::Impl::NextDeadline() const {
  std::optional<TimePoint> next;
  for (const auto& [sequence, entry] : entries_) {
    TimePoint due = entry.deadline;
    if (entry.state != State::kAborting) due = std::min(due, entry.next_progress);
    if (!next || due < *next) next = due;
  }
  return next;
}

PrefillSideStats PrefillSide::Impl::Stats() const {
  PrefillSideStats stats;
  for (const auto& [sequence, entry] : entries_) {
    stats.queued += entry.state == State::kQueued;
    stats.prefilling += entry.state == State::kPrefilling;
    stats.flushing += entry.state == State::kFlushing;
    stats.aborting += entry.state == State::kAborting;
  }
  stats.committed = committed_;
  stats.failures = failures_;
  stats.ignored = ignored_;
  return stats;
}

std::string PrefillSide::Impl::DebugString() const {
  static constexpr const char* kNames[] = {"queued", "prefilling", "flushing", "aborting"};
  const TimePoint now = clock_.Now();
  std::ostringstream out;
  for (const auto& [sequence, entry] : entries_) {
    out << "hand-off " << Index(entry.handoff) << " of peer " << Index(entry.peer) << " sequence "
        << Index(sequence) << " " << kNames[static_cast<int>(entry.state)] << " for "
        << Seconds(now - entry.since) << " s, " << entry.plan.tokens_ready() << " of "
        << entry.prompt_tokens << " tokens, " << entry.puts.size() << " puts, deadline in "
        << Seconds(entry.deadline - now) << " s\n";
  }
  return out.str();
}

PrefillSide::PrefillSide(const PrefillSideOptions& options, LocalWorker local,
                         transport::Transport& transport, PrefillSideListener& listener,
                         Clock& clock)
    : impl_(std::make_unique<Impl>(options, std::move(local), transport, listener, clock)) {}
PrefillSide::~PrefillSide() = default;
Status PrefillSide::AddPeer(transport::PeerId peer, const PeerDescription& description) {
  return impl_->AddPeer(peer, description);
}
void PrefillSide::LosePeer(transport::PeerId peer, const Status& status) {
  impl_->LosePeer(peer, status);
}
void PrefillSide::Blocks(SequenceId sequence, std::vector<BlockId> blocks, int32_t cached_tokens,
                         std::optional<TimePoint> at) {
  impl_->Blocks(sequence, std::move(blocks), cached_tokens, at);
}
void PrefillSide::KvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                          int32_t tokens, std::optional<Computed> computed) {
  impl_->KvReady(sequence, layer_begin, layer_end, tokens, computed);
}
void PrefillSide::Prefilled(SequenceId sequence, const TokenOutput& first,
                            std::optional<TimePoint> end) {
  impl_->Prefilled(sequence, first, end);
}
void PrefillSide::Failed(SequenceId sequence, const Status& status) {
  impl_->Failed(sequence, status);
}
void PrefillSide::Drain() { impl_->Drain(); }
void PrefillSide::OnMessage(transport::PeerId peer, std::span<const std::byte> message) {
  impl_->OnMessage(peer, message);
}
void PrefillSide::OnTransferDone(transport::PeerId, transport::TransferId transfer,
                                 const Status& status) {
  impl_->OnTransferDone(transfer, status);
}
void PrefillSide::Tick() { impl_->Tick(); }
std::optional<TimePoint> PrefillSide::NextDeadline() const { return impl_->NextDeadline(); }
PrefillSideStats PrefillSide::Stats() const { return impl_->Stats(); }
std::string PrefillSide::DebugString() const { return impl_->DebugString(); }

}  // namespace baton::handoff
