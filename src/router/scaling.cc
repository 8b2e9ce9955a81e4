#include "scaling.h"

#include <algorithm>

#include "baton/base/logging.h"
#include "baton/base/units.h"

namespace baton::router {
namespace {

/// How often it is looked whether a change has come about, beside every word of a worker.
constexpr Duration kPulse = std::chrono::milliseconds(50);

api::RoleCounts Count(const std::vector<RoleView>& workers) {
  api::RoleCounts counts;
  for (const RoleView& worker : workers) ++counts.of(worker.role);
  return counts;
}

/// All configured workers, or why their roles cannot be changed now.
Result<std::vector<RoleView>> AllAtRest(const Fleet& fleet) {
  std::vector<RoleView> workers = fleet.Roles();
  for (const RoleView& worker : workers) {
    if (!worker.there) return Unavailable("worker " + worker.name + " is not there");
    if (worker.leaving) {
      return Unavailable("worker " + worker.name + " is draining or changing its role");
    }
  }
  return workers;
}

}  // namespace

Result<api::ScaleState> Scaling::Begin(const api::ScaleRequest& request,
                                       const std::string& reason) {
  if (state_.under_way) {
    return FailedPrecondition("the change to " + api::DescribeCounts(state_.wanted) +
                              " is still under way");
  }
  BATON_ASSIGN_OR_RETURN(const std::vector<RoleView> workers, AllAtRest(fleet_));
  api::ScaleState state{.number = state_.number + 1,
                        .under_way = !request.dry_run,
                        .now = Count(workers),
                        .wanted = request.wanted};
  BATON_ASSIGN_OR_RETURN(std::vector<RoleMove> plan, PlanMoves(state.now, request.wanted));
  if (request.dry_run) {
    state.number = 0;
    for (const RoleMove& move : plan) {
      state.lines.push_back("a " + std::string(RoleName(move.from)) + " worker would become a " +
                            std::string(RoleName(move.to)) + " worker");
    }
    return state;
  }
  state_ = std::move(state);
  reason_ = reason;
  plan_ = std::move(plan);
  done_ = 0;
  patience_ = request.patience;
  deadline_ = clock_.Now() + request.timeout;
  Note("from " + api::DescribeCounts(state_.now) + " to " + api::DescribeCounts(state_.wanted) +
       ": " + std::to_string(plan_.size()) + (plan_.size() == 1 ? " change" : " changes"));
  return state_;
}

TimePoint Scaling::Tick(TimePoint now) {
  if (!state_.under_way) {
    if (std::exchange(seen_, fleet_.version()) != fleet_.version()) Reassign();
    return TimePoint::max();
  }
  if (moving_) {
    Watch(now);
  } else if (done_ == plan_.size()) {
    End(OkStatus());
  } else if (now >= deadline_) {
    End(DeadlineExceeded("the time for it has passed"));
  } else {
    BeginMove();
  }
  return state_.under_way ? now + kPulse : TimePoint::max();
}

/// The one of the role that has least to do.
void Scaling::BeginMove() {
  const RoleMove move = plan_[done_];
  const auto workers = AllAtRest(fleet_);
  if (!workers.ok()) return End(workers.status());
  const RoleView* chosen = nullptr;
  for (const RoleView& worker : *workers) {
    if (worker.role == move.from && (chosen == nullptr || worker.load <= chosen->load)) {
      chosen = &worker;
    }
  }
  if (chosen == nullptr) {
    return End(Aborted("somebody else changes roles: no " + std::string(RoleName(move.from)) +
                       " worker is left"));
  }
  Note(chosen->name + " leaves " + std::string(RoleName(move.from)) + " for " +
       std::string(RoleName(move.to)) + " with " + std::to_string(chosen->load) +
       " requests of this router");
  moving_ = Moving{.worker = chosen->name, .move = move, .since = clock_.Now()};
  fleet_.SetRole(chosen->name, move.to, patience_,
                 [this, number = state_.number, worker = chosen->name](const Status& status) {
                   OnAnswer(number, worker, status);
                 });
}

void Scaling::OnAnswer(uint64_t number, const std::string& worker, const Status& status) {
  if (!moving_ || number != state_.number || moving_->worker != worker || status.ok()) return;
  moving_.reset();
  End(status.WithContext(worker + " keeps its role"));
}

void Scaling::Watch(TimePoint now) {
  const std::vector<RoleView> workers = fleet_.Roles();
  const auto worker = std::find_if(workers.begin(), workers.end(), [this](const RoleView& view) {
    return view.name == moving_->worker;
  });
  if (worker == workers.end() || !worker->there) {
    const std::string name = std::exchange(moving_, std::nullopt)->worker;
    return End(Unavailable(name + " was lost while it changed its role"));
  }
  const auto [from, to] = moving_->move;
  if (worker->role == to && !worker->leaving && worker->settled) {
    ++done_;
    --state_.now.of(from);
    ++state_.now.of(to);
    assigned_[worker->name] = {.role = to, .epoch = worker->epoch};
    metrics_.CountRoleChange(from, to, reason_);
    Note(worker->name + " is a " + std::string(RoleName(to)) + " worker after " +
         FormatSeconds(now - moving_->since) + " (" + std::to_string(done_) + " of " +
         std::to_string(plan_.size()) + ")");
    moving_.reset();
    return;
  }
  if (worker->leaving) moving_->changing = true;
  if (moving_->changing && !worker->leaving && worker->role == from) {
    const std::string name = std::exchange(moving_, std::nullopt)->worker;
    return End(Aborted("somebody else called the change of " + name + " off"));
  }
  if (now < deadline_) return;
  const std::string name = std::exchange(moving_, std::nullopt)->worker;
  fleet_.SetRole(name, from, patience_, [](const Status&) {});
  End(DeadlineExceeded(name +
                       " had not finished what it has when the time had passed; it stays a " +
                       std::string(RoleName(from)) + " worker"));
}

void Scaling::Reassign() {
  for (const RoleView& worker : fleet_.Roles()) {
    const auto assigned = assigned_.find(worker.name);
    if (!worker.there || worker.leaving || assigned == assigned_.end()) continue;
    if (worker.role == assigned->second.role) {
      assigned->second.epoch = worker.epoch;
    } else if (worker.epoch == assigned->second.epoch) {  // Somebody else gave it another role.
      assigned_.erase(assigned);
    } else if (worker.epoch != assigned->second.asked) {
      BATON_LOG(Info) << "worker " << worker.name << " was started again as a "
                      << RoleName(worker.role) << " worker: it becomes a "
                      << RoleName(assigned->second.role) << " worker as before";
      assigned->second.asked = worker.epoch;
      fleet_.SetRole(worker.name, assigned->second.role, Duration::zero(), [](const Status&) {});
    }
  }
}

void Scaling::Note(std::string line) {
  BATON_LOG(Info) << "roles: " << line;
  state_.lines.push_back(std::move(line));
  ++version_;
}

void Scaling::End(Status outcome) {
  state_.under_way = false;
  state_.outcome = std::move(outcome);
  Note(state_.outcome.ok() ? "done: " + api::DescribeCounts(state_.now)
                           : "ended after " + std::to_string(done_) + " of " +
                                 std::to_string(plan_.size()) + ": " + state_.outcome.message());
}

}  // namespace baton::router
