#include "nccl_end.h"

#include <utility>

namespace baton::transport {

Status NcclEnd::Begin(const NcclSurroundings& around, const NcclUniqueId& id, NcclRank rank) {
  BATON_ASSIGN_OR_RETURN(auto queue, around.memory.MakeQueue());
  BATON_ASSIGN_OR_RETURN(communicator_, around.api.Begin(id, rank, std::move(queue)));
  return OkStatus();
}

Result<bool> NcclEnd::Meet(TimePoint now, TimePoint deadline) {
  BATON_ASSIGN_OR_RETURN(const bool ready, communicator_->Ready());
  if (!ready && now >= deadline) {
    return Unavailable("the ends of the communicator did not meet in time");
  }
  return ready;
}

Status NcclEnd::Launch(const NcclLaunch& launch, std::span<const NcclRun> runs) {
  launches_.push_back({launch});
  launching_ = true;
  return communicator_->Launch(runs);
}

/// NCCL enqueues a launch when it is ready again; only a mark set then is behind it.
Result<bool> NcclEnd::FinishLaunching() {
  if (launches_.empty()) return false;
  BATON_ASSIGN_OR_RETURN(const bool ready, communicator_->Ready());
  if (!launching_ || !ready) return false;
  BATON_ASSIGN_OR_RETURN(launches_.back().mark, communicator_->Mark());
  launching_ = false;
  return true;
}

Result<std::optional<NcclLaunch>> NcclEnd::TakeFinished() {
  std::optional<NcclLaunch> finished;
  if (launches_.empty() || launching_) return finished;
  BATON_ASSIGN_OR_RETURN(const bool reached, communicator_->Reached(launches_.front().mark));
  if (!reached) return finished;
  finished = launches_.front().launch;
  launches_.pop_front();
  return finished;
}

void NcclEnd::Abort() {
  if (communicator_) communicator_->Abort();
  launches_.clear();
  launching_ = false;
}

}  // namespace baton::transport
