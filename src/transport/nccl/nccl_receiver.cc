#include "nccl_receiver.h"

#include <utility>

#include "baton/base/logging.h"

namespace baton::transport {
namespace {

/// More launches than a sender has under way at once.
constexpr size_t kWaiting = 64;

}  // namespace

void NcclReceiver::OnInvite(const NcclInvite& message, TimePoint now) {
  if (message.generation <= generation_) return;
  Close();
  generation_ = message.generation;
  state_ = State::kConnecting;
  deadline_ = now + around_.options.connect_deadline;
  const Status status = end_.Begin(around_, message.id, NcclRank::kReceives);
  if (!status.ok()) Break(status);
}

void NcclReceiver::OnPut(NcclPut message, TimePoint now) {
  const bool takes = state_ == State::kConnecting || state_ == State::kReady;
  if (message.generation != generation_ || !takes) return;
  if (const Status status = CheckRuns(message); !status.ok()) return Break(status);
  if (waiting_.empty() && end_.launches() == 0) last_progress_ = now;
  waiting_.push_back(std::move(message));
}

Status NcclReceiver::CheckRuns(const NcclPut& put) const {
  if (waiting_.size() >= kWaiting) return Unavailable("the peer announces more than we can keep");
  for (const NcclPut::Run& run : put.runs) {
    const uint64_t limit =
        run.region < around_.regions.size() ? around_.regions[run.region].bytes : 0;
    if (run.bytes > 0 && run.bytes <= limit && run.offset <= limit - run.bytes) continue;
    return Unavailable("the peer would put " + std::to_string(run.bytes) + " bytes to " +
                       std::to_string(run.offset) + " of " + std::to_string(limit));
  }
  return OkStatus();
}

void NcclReceiver::OnFailed(const NcclFailed& message) {
  const bool runs = state_ == State::kConnecting || state_ == State::kReady;
  if (message.generation == generation_ && runs) {
    Break(Unavailable("the peer has given up the communicator: " + message.reason));
  }
}

bool NcclReceiver::Progress(TimePoint now) {
  bool worked = false;
  if (state_ == State::kConnecting) {
    const Status status = Connect(now);
    worked = !status.ok() || state_ == State::kReady;
    if (!status.ok()) Break(status);
  }
  if (state_ == State::kReady) {
    const Result<bool> moved = Move(now);
    worked |= !moved.ok() || *moved;
    if (!moved.ok()) Break(moved.status());
  }
  if (state_ == State::kBreaking && end_.Quiet()) {
    end_ = {};
    state_ = State::kBroken;
    (void)send_(NcclFailed{generation_, false, failure_.message()});
    worked = true;
  }
  return worked;
}

Status NcclReceiver::Connect(TimePoint now) {
  BATON_ASSIGN_OR_RETURN(const bool met, end_.Meet(now, deadline_));
  if (!met) return OkStatus();
  state_ = State::kReady;
  last_progress_ = now;
  return OkStatus();
}

Result<bool> NcclReceiver::Move(TimePoint now) {
  BATON_ASSIGN_OR_RETURN(bool worked, end_.FinishLaunching());
  BATON_ASSIGN_OR_RETURN(const bool launched, Launch(now));
  BATON_ASSIGN_OR_RETURN(const bool finished, FinishLaunches(now));
  worked |= launched || finished;
  if (waiting_.empty() && end_.launches() == 0) return worked;
  if (now - last_progress_ >= around_.options.transfer_deadline) {
    return Unavailable("a put has not arrived within its deadline");
  }
  return worked;
}

Result<bool> NcclReceiver::Launch(TimePoint now) {
  if (end_.launching() || waiting_.empty()) return false;
  const NcclPut put = std::move(waiting_.front());
  waiting_.pop_front();
  std::vector<NcclRun> runs;
  runs.reserve(put.runs.size());
  for (const NcclPut::Run& run : put.runs) {
    runs.push_back({around_.regions[run.region].data + run.offset, run.bytes});
  }
  last_progress_ = now;
  BATON_RETURN_IF_ERROR(end_.Launch({put.transfer, put.last}, runs));
  return true;
}

Result<bool> NcclReceiver::FinishLaunches(TimePoint now) {
  bool worked = false;
  while (true) {
    BATON_ASSIGN_OR_RETURN(const std::optional<NcclLaunch> finished, end_.TakeFinished());
    if (!finished) return worked;
    last_progress_ = now;
    worked = true;
    if (finished->last) {
      BATON_RETURN_IF_ERROR(send_(NcclPutDone{generation_, finished->transfer}));
    }
  }
}

void NcclReceiver::Break(const Status& status) {
  BATON_LOG(Warning) << "nccl: puts of a peer break off: " << status.message();
  failure_ = status;
  end_.Abort();
  waiting_.clear();
  state_ = State::kBreaking;
}

bool NcclReceiver::busy() const {
  switch (state_) {
    case State::kClosed:
    case State::kBroken: return false;
    case State::kReady: return !waiting_.empty() || end_.launches() > 0;
    case State::kConnecting:
    case State::kBreaking: return true;
  }
  return false;
}

void NcclReceiver::Close() {
  if (state_ != State::kBreaking) end_.Abort();
  if (end_.begun()) bury_(end_.Release());
  waiting_.clear();
  state_ = State::kClosed;
}

}  // namespace baton::transport
