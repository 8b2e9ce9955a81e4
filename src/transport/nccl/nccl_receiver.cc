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
  const Status status = [&]() -> Status {
    BATON_ASSIGN_OR_RETURN(auto queue, around_.memory.MakeQueue());
    BATON_ASSIGN_OR_RETURN(communicator_,
                           around_.api.Begin(message.id, NcclRank::kReceives, std::move(queue)));
    return OkStatus();
  }();
  if (!status.ok()) Break(status);
}

void NcclReceiver::OnPut(NcclPut message, TimePoint now) {
  const bool takes = state_ == State::kConnecting || state_ == State::kReady;
  if (message.generation != generation_ || !takes) return;
  if (const Status status = CheckRuns(message); !status.ok()) return Break(status);
  if (waiting_.empty() && groups_.empty()) last_progress_ = now;
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
  if (state_ == State::kBreaking && (!communicator_ || communicator_->Quiet())) {
    communicator_.reset();
    state_ = State::kBroken;
    (void)send_(NcclFailed{generation_, false, failure_.message()});
    worked = true;
  }
  return worked;
}

Status NcclReceiver::Connect(TimePoint now) {
  BATON_ASSIGN_OR_RETURN(const bool ready, communicator_->Ready());
  if (ready) {
    state_ = State::kReady;
    last_progress_ = now;
  } else if (now >= deadline_) {
    return Unavailable("the ends of the communicator did not meet in time");
  }
  return OkStatus();
}

Result<bool> NcclReceiver::Move(TimePoint now) {
  BATON_ASSIGN_OR_RETURN(bool worked, FinishLaunch());
  BATON_ASSIGN_OR_RETURN(const bool launched, Launch(now));
  BATON_ASSIGN_OR_RETURN(const bool finished, FinishGroups(now));
  worked |= launched || finished;
  if (waiting_.empty() && groups_.empty()) return worked;
  if (now - last_progress_ >= around_.options.transfer_deadline) {
    return Unavailable("a put has not arrived within its deadline");
  }
  return worked;
}

/// As in NcclSender: only a mark set when NCCL is ready again is behind the launch.
Result<bool> NcclReceiver::FinishLaunch() {
  if (groups_.empty()) return false;
  BATON_ASSIGN_OR_RETURN(const bool ready, communicator_->Ready());
  if (!launching_ || !ready) return false;
  BATON_ASSIGN_OR_RETURN(groups_.back().mark, communicator_->Mark());
  launching_ = false;
  return true;
}

Result<bool> NcclReceiver::Launch(TimePoint now) {
  if (launching_ || waiting_.empty()) return false;
  const NcclPut put = std::move(waiting_.front());
  waiting_.pop_front();
  std::vector<NcclRun> runs;
  runs.reserve(put.runs.size());
  for (const NcclPut::Run& run : put.runs) {
    runs.push_back({around_.regions[run.region].data + run.offset, run.bytes});
  }
  groups_.push_back({put.transfer, put.last});
  launching_ = true;
  last_progress_ = now;
  BATON_RETURN_IF_ERROR(communicator_->Launch(runs));
  return true;
}

Result<bool> NcclReceiver::FinishGroups(TimePoint now) {
  bool worked = false;
  while (!groups_.empty() && groups_.front().mark != 0 && !launching_) {
    BATON_ASSIGN_OR_RETURN(const bool reached, communicator_->Reached(groups_.front().mark));
    if (!reached) break;
    const Group group = groups_.front();
    groups_.pop_front();
    last_progress_ = now;
    worked = true;
    if (group.last) BATON_RETURN_IF_ERROR(send_(NcclPutDone{generation_, group.transfer}));
  }
  return worked;
}

void NcclReceiver::Break(const Status& status) {
  BATON_LOG(Warning) << "nccl: puts of a peer break off: " << status.message();
  failure_ = status;
  if (communicator_) communicator_->Abort();
  waiting_.clear();
  groups_.clear();
  launching_ = false;
  state_ = State::kBreaking;
}

bool NcclReceiver::busy() const {
  switch (state_) {
    case State::kClosed:
    case State::kBroken: return false;
    case State::kReady: return !waiting_.empty() || !groups_.empty();
    case State::kConnecting:
    case State::kBreaking: return true;
  }
  return false;
}

void NcclReceiver::Close() {
  if (communicator_) {
    if (state_ != State::kBreaking) communicator_->Abort();
    bury_(std::move(communicator_));
  }
  waiting_.clear();
  groups_.clear();
  launching_ = false;
  state_ = State::kClosed;
}

}  // namespace baton::transport
