#include "nccl_sender.h"

#include <algorithm>
#include <utility>

#include "baton/base/logging.h"

namespace baton::transport {
namespace {

/// One launch: so much that a launch costs little beside it, so little that others get their turn.
constexpr uint64_t kGroupBytes = uint64_t{64} << 20;
constexpr size_t kGroupRuns = 512;
/// Launches that wait on our stream.
constexpr size_t kGroups = 4;
constexpr Duration kLongestRetryDelay = std::chrono::minutes(1);

}  // namespace

void NcclSender::Open(TimePoint now) {
  if (state_ != State::kClosed) return;
  retry_delay_ = around_.options.retry_delay;
  Invite(now);
}

void NcclSender::Put(TransferId id, std::vector<Descriptor> pieces) {
  auto transfer = std::make_shared<Transfer>();
  transfer->id = id;
  transfer->pieces = std::move(pieces);
  transfers_.push_back(std::move(transfer));
}

void NcclSender::Invite(TimePoint now) {
  ++generation_;
  state_ = State::kConnecting;
  deadline_ = now + around_.options.connect_deadline;
  const Status status = BeginCommunicator(now);
  if (!status.ok()) Break(status, now, communicator_ == nullptr);
}

Status NcclSender::BeginCommunicator(TimePoint) {
  BATON_ASSIGN_OR_RETURN(const NcclUniqueId id, around_.api.MakeUniqueId());
  BATON_ASSIGN_OR_RETURN(auto queue, around_.memory.MakeQueue());
  BATON_ASSIGN_OR_RETURN(communicator_, around_.api.Begin(id, NcclRank::kSends, std::move(queue)));
  return send_(NcclInvite{generation_, id});
}

bool NcclSender::Progress(TimePoint now, std::vector<TransferDone>& done) {
  bool worked = false;
  if (state_ == State::kConnecting) {
    const Status status = Connect(now);
    worked = !status.ok() || state_ == State::kReady;
    if (!status.ok()) Break(status, now, false);
  }
  if (state_ == State::kReady) {
    const Result<bool> moved = Move(now);
    worked |= !moved.ok() || *moved;
    if (!moved.ok()) Break(moved.status(), now, false);
  }
  if (state_ == State::kBroken && peer_is_quiet_ && now >= deadline_) {
    Invite(now);
    worked = true;
  }
  return FinishTransfers(done) || worked;
}

Status NcclSender::Connect(TimePoint now) {
  BATON_ASSIGN_OR_RETURN(const bool ready, communicator_->Ready());
  if (ready) {
    state_ = State::kReady;
    last_progress_ = now;
  } else if (now >= deadline_) {
    return Unavailable("the ends of the communicator did not meet in time");
  }
  return OkStatus();
}

Result<bool> NcclSender::Move(TimePoint now) {
  BATON_ASSIGN_OR_RETURN(bool worked, FinishLaunch());
  BATON_ASSIGN_OR_RETURN(const bool launched, Launch(now));
  BATON_ASSIGN_OR_RETURN(const bool finished, FinishGroups(now));
  worked |= launched || finished;
  const bool waits = std::any_of(transfers_.begin(), transfers_.end(),
                                 [](const auto& transfer) { return transfer->given > 0; });
  if (!waits) last_progress_ = now;
  if (now - last_progress_ >= around_.options.transfer_deadline) {
    return Unavailable("a put has not moved within its deadline");
  }
  return worked;
}

/// NCCL enqueues a launch when it is ready again; only a mark set then is behind it.
Result<bool> NcclSender::FinishLaunch() {
  if (groups_.empty()) return false;
  BATON_ASSIGN_OR_RETURN(const bool ready, communicator_->Ready());
  if (!launching_ || !ready) return false;
  BATON_ASSIGN_OR_RETURN(groups_.back().mark, communicator_->Mark());
  launching_ = false;
  return true;
}

Result<bool> NcclSender::Launch(TimePoint now) {
  if (launching_ || groups_.size() >= kGroups) return false;
  const auto next = std::find_if(transfers_.begin(), transfers_.end(), [](const auto& transfer) {
    return transfer->given < transfer->pieces.size();
  });
  if (next == transfers_.end()) return false;
  std::vector<NcclRun> runs;
  const NcclPut put = TakeGroup(**next, runs);
  groups_.push_back({*next});
  ++(*next)->under_way;
  launching_ = true;
  if (groups_.size() == 1) last_progress_ = now;
  BATON_RETURN_IF_ERROR(send_(put));
  BATON_RETURN_IF_ERROR(communicator_->Launch(runs));
  return true;
}

NcclPut NcclSender::TakeGroup(Transfer& transfer, std::vector<NcclRun>& runs) {
  NcclPut put{.generation = generation_, .transfer = static_cast<uint64_t>(transfer.id)};
  uint64_t bytes = 0;
  while (transfer.given < transfer.pieces.size() && runs.size() < kGroupRuns) {
    const Descriptor& piece = transfer.pieces[transfer.given];
    if (bytes > 0 && bytes + piece.bytes > kGroupBytes) break;
    bytes += piece.bytes;
    put.runs.push_back({piece.remote_region, piece.remote_offset, piece.bytes});
    runs.push_back({around_.regions[piece.local_region].data + piece.local_offset, piece.bytes});
    ++transfer.given;
  }
  put.last = transfer.given == transfer.pieces.size();
  return put;
}

Result<bool> NcclSender::FinishGroups(TimePoint now) {
  bool worked = false;
  while (!groups_.empty() && groups_.front().mark != 0 && !launching_) {
    BATON_ASSIGN_OR_RETURN(const bool reached, communicator_->Reached(groups_.front().mark));
    if (!reached) break;
    --groups_.front().transfer->under_way;
    groups_.pop_front();
    last_progress_ = now;
    worked = true;
  }
  return worked;
}

void NcclSender::OnPutDone(const NcclPutDone& message, TimePoint now) {
  if (message.generation != generation_ || state_ != State::kReady) return;
  for (const auto& transfer : transfers_) {
    if (transfer->id != TransferId{message.transfer}) continue;
    transfer->confirmed = transfer->given == transfer->pieces.size();
    last_progress_ = now;
    retry_delay_ = around_.options.retry_delay;
  }
}

bool NcclSender::FinishTransfers(std::vector<TransferDone>& done) {
  const size_t before = done.size();
  done.insert(done.end(), ended_.begin(), ended_.end());
  ended_.clear();
  while (!transfers_.empty()) {
    const Transfer& first = *transfers_.front();
    const bool whole = first.pieces.empty() || (first.confirmed && first.under_way == 0);
    if (!whole) break;
    done.push_back({first.id, OkStatus()});
    transfers_.pop_front();
  }
  return done.size() > before;
}

void NcclSender::OnFailed(const NcclFailed& message, TimePoint now) {
  if (message.generation != generation_) return;
  if (state_ == State::kBroken) {
    peer_is_quiet_ = true;
    EndBroken();
  } else if (state_ != State::kClosed) {
    Break(Unavailable("the peer has given up the communicator: " + message.reason), now, true);
  }
}

/// What was not launched stays for the next communicator, unless there is none to be had.
void NcclSender::Break(const Status& status, TimePoint now, bool peer_is_quiet) {
  BATON_LOG(Warning) << "nccl: puts to a peer break off: " << status.message();
  const bool never_met = state_ == State::kConnecting;
  state_ = State::kBroken;
  failure_ = Unavailable(status.message());
  if (communicator_) {
    communicator_->Abort();
    bury_(std::move(communicator_));
  }
  groups_.clear();
  launching_ = false;
  peer_is_quiet_ = peer_is_quiet;
  deadline_ = now + retry_delay_;
  retry_delay_ = std::min(2 * retry_delay_, kLongestRetryDelay);
  for (auto it = transfers_.begin(); it != transfers_.end();) {
    if ((*it)->given == 0 && !never_met) {
      ++it;
      continue;
    }
    broken_.push_back(*it);
    it = transfers_.erase(it);
  }
  // Cannot be sent only when messages have ended, too; then there is nothing to wait for here.
  if (!peer_is_quiet) (void)send_(NcclFailed{generation_, true, status.message()});
  if (peer_is_quiet || never_met) EndBroken();
}

void NcclSender::EndBroken() {
  for (const auto& transfer : broken_) ended_.push_back({transfer->id, failure_});
  broken_.clear();
}

bool NcclSender::busy() const {
  if (!ended_.empty()) return true;
  if (state_ == State::kReady) return !groups_.empty() || !transfers_.empty();
  return state_ == State::kConnecting || state_ == State::kBroken;
}

void NcclSender::Close(std::vector<TransferDone>& done) {
  if (communicator_) {
    communicator_->Abort();
    bury_(std::move(communicator_));
  }
  (void)FinishTransfers(done);
  for (const auto& transfer : broken_) done.push_back({transfer->id, failure_});
  for (const auto& transfer : transfers_)
    done.push_back({transfer->id, Unavailable("disconnected")});
  broken_.clear();
  transfers_.clear();
  groups_.clear();
  state_ = State::kClosed;
}

std::string NcclSender::Describe() const {
  switch (state_) {
    case State::kClosed: return "not met";
    case State::kConnecting: return "connecting";
    case State::kReady: return "connected";
    case State::kBroken: return "broken: " + failure_.message();
  }
  return "";
}

}  // namespace baton::transport
