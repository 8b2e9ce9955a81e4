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
constexpr size_t kLaunches = 4;
constexpr Duration kLongestRetryDelay = std::chrono::minutes(1);

}  // namespace

void NcclSender::Open(TimePoint now) {
  if (state_ != State::kClosed) return;
  retry_delay_ = around_.options.retry_delay;
  Invite(now);
}

void NcclSender::Put(TransferId id, std::vector<Descriptor> pieces) {
  transfers_.push_back({.id = id, .pieces = std::move(pieces)});
}

void NcclSender::Invite(TimePoint now) {
  ++generation_;
  state_ = State::kConnecting;
  deadline_ = now + around_.options.connect_deadline;
  const Status status = BeginCommunicator();
  if (!status.ok()) Break(status, now, !end_.begun());
}

Status NcclSender::BeginCommunicator() {
  BATON_ASSIGN_OR_RETURN(const NcclUniqueId id, around_.api.MakeUniqueId());
  BATON_RETURN_IF_ERROR(end_.Begin(around_, id, NcclRank::kSends));
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
  BATON_ASSIGN_OR_RETURN(const bool met, end_.Meet(now, deadline_));
  if (!met) return OkStatus();
  state_ = State::kReady;
  last_progress_ = now;
  return OkStatus();
}

Result<bool> NcclSender::Move(TimePoint now) {
  BATON_ASSIGN_OR_RETURN(bool worked, end_.FinishLaunching());
  BATON_ASSIGN_OR_RETURN(const bool launched, Launch(now));
  BATON_ASSIGN_OR_RETURN(const bool finished, FinishLaunches(now));
  worked |= launched || finished;
  const bool waits = std::any_of(transfers_.begin(), transfers_.end(),
                                 [](const Transfer& transfer) { return transfer.given > 0; });
  if (!waits) last_progress_ = now;
  if (now - last_progress_ >= around_.options.transfer_deadline) {
    return Unavailable("a put has not moved within its deadline");
  }
  return worked;
}

Result<bool> NcclSender::Launch(TimePoint now) {
  if (end_.launching() || end_.launches() >= kLaunches) return false;
  const auto next = std::find_if(
      transfers_.begin(), transfers_.end(),
      [](const Transfer& transfer) { return transfer.given < transfer.pieces.size(); });
  if (next == transfers_.end()) return false;
  std::vector<NcclRun> runs;
  const NcclPut put = TakeGroup(*next, runs);
  ++next->under_way;
  if (end_.launches() == 0) last_progress_ = now;
  BATON_RETURN_IF_ERROR(send_(put));
  BATON_RETURN_IF_ERROR(end_.Launch({put.transfer, put.last}, runs));
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

Result<bool> NcclSender::FinishLaunches(TimePoint now) {
  bool worked = false;
  while (true) {
    BATON_ASSIGN_OR_RETURN(const std::optional<NcclLaunch> finished, end_.TakeFinished());
    if (!finished) return worked;
    --Find(TransferId{finished->transfer})->under_way;
    last_progress_ = now;
    worked = true;
  }
}

NcclSender::Transfer* NcclSender::Find(TransferId id) {
  const auto found = std::find_if(transfers_.begin(), transfers_.end(),
                                  [id](const Transfer& transfer) { return transfer.id == id; });
  return found == transfers_.end() ? nullptr : &*found;
}

void NcclSender::OnPutDone(const NcclPutDone& message, TimePoint now) {
  if (message.generation != generation_ || state_ != State::kReady) return;
  Transfer* transfer = Find(TransferId{message.transfer});
  if (transfer == nullptr) return;
  transfer->confirmed = transfer->given == transfer->pieces.size();
  last_progress_ = now;
  retry_delay_ = around_.options.retry_delay;
}

bool NcclSender::FinishTransfers(std::vector<TransferDone>& done) {
  const size_t before = done.size();
  done.insert(done.end(), ended_.begin(), ended_.end());
  ended_.clear();
  while (!transfers_.empty()) {
    const Transfer& first = transfers_.front();
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
  GiveUp();
  peer_is_quiet_ = peer_is_quiet;
  deadline_ = now + retry_delay_;
  retry_delay_ = std::min(2 * retry_delay_, kLongestRetryDelay);
  for (auto it = transfers_.begin(); it != transfers_.end();) {
    if (it->given == 0 && !never_met) {
      ++it;
      continue;
    }
    broken_.push_back(it->id);
    it = transfers_.erase(it);
  }
  // Cannot be sent only when messages have ended, too; then there is nothing to wait for here.
  if (!peer_is_quiet) (void)send_(NcclFailed{generation_, true, status.message()});
  if (peer_is_quiet || never_met) EndBroken();
}

void NcclSender::GiveUp() {
  end_.Abort();
  if (end_.begun()) bury_(end_.Release());
}

void NcclSender::EndBroken() {
  for (const TransferId id : broken_) ended_.push_back({id, failure_});
  broken_.clear();
}

bool NcclSender::busy() const {
  if (!ended_.empty()) return true;
  if (state_ == State::kReady) return end_.launches() > 0 || !transfers_.empty();
  return state_ == State::kConnecting || state_ == State::kBroken;
}

void NcclSender::Close(std::vector<TransferDone>& done) {
  GiveUp();
  (void)FinishTransfers(done);
  for (const TransferId id : broken_) done.push_back({id, failure_});
  for (const Transfer& transfer : transfers_) {
    done.push_back({transfer.id, Unavailable("disconnected")});
  }
  broken_.clear();
  transfers_.clear();
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
