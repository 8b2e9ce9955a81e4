#include "member.h"

#include <algorithm>
#include <utility>

#include "baton/base/logging.h"
#include "baton/base/units.h"

namespace baton::router {
namespace {

constexpr Duration kCallTimeout = std::chrono::seconds(2);

}  // namespace

Member::Member(rpc::PeerAddress address, bool named_itself, const Surroundings& surroundings)
    : address_(std::move(address)),
      named_itself_(named_itself),
      surroundings_(surroundings),
      redial_(surroundings.options.redial_min),
      forecaster_(address_.name, surroundings.metrics, surroundings.clock) {}

TimePoint Member::Tick(TimePoint now) {
  if (dialing_) return TimePoint::max();
  if (silence_ && silence_->Look(now)) {
    watch_->Cancel();
    Lost(Unavailable("it was silent for " + FormatMs(surroundings_.options.status_timeout)));
  }
  if (silence_) return silence_->next();
  if (leaves_fleet_) return TimePoint::max();
  if (deadline_ > now) return deadline_;
  Dial();
  return TimePoint::max();
}

void Member::Close() {
  closed_ = true;
  if (watch_) watch_->Cancel();
}

void Member::Dial() {
  dialing_ = true;
  ++calls_;
  // Anew each time: the connection of the last attempt may be one that nothing comes over.
  client_ = surroundings_.dial(address_.address);
  client_->Describe(kCallTimeout, [this](Result<rpc::WorkerDescription> description) {
    surroundings_.post([this, description = std::move(description)] {
      --calls_;
      Described(description);
    });
  });
}

void Member::Described(const Result<rpc::WorkerDescription>& description) {
  dialing_ = false;
  if (closed_) return;
  if (!description.ok()) return Lost(description.status());
  if (named_itself_ && description->identity.name != address_.name) {
    return Lost(Unavailable("it is " + description->identity.name + " by now"));
  }
  description_ = *description;
  role_ = description_->role;
  forecaster_.Restart(*description_);
  Watch();
}

void Member::Watch() {
  silence_.emplace(surroundings_.options.status_timeout, surroundings_.clock.Now());
  progress_.emplace(surroundings_.options.progress_timeout);
  prefixes_ = surroundings_.prefixes.Add();
  const uint64_t number = ++watches_;
  ++calls_;
  watch_ = client_->Watch({.on_status =
                               [this, number](rpc::WorkerStatus status) {
                                 surroundings_.post(
                                     [this, number, status = std::move(status)]() mutable {
                                       if (number == watches_) Watched(std::move(status));
                                     });
                               },
                           .on_end =
                               [this, number](Status status) {
                                 surroundings_.post([this, number, status = std::move(status)] {
                                   --calls_;
                                   if (number == watches_ && watch_) Lost(status);
                                 });
                               }});
}

void Member::Watched(rpc::WorkerStatus status) {
  if (closed_ || !watch_) return;
  const bool first = !status_;
  Listener& listener = surroundings_.listener;
  forecaster_.Learn(status,
                    [&listener](const std::string& peer) { return listener.KnowsWorker(peer); });
  surroundings_.prefixes.Apply(*prefixes_, status.prefixes);
  status_ = std::move(status);
  FollowJoins();
  const Role from = *std::exchange(role_, status_->role.value_or(*role_));
  silence_->Heard(surroundings_.clock.Now());
  LookForProgress();
  if (!first) {
    if (from != *role_) {
      BATON_LOG(Info) << "worker " << address_.name << " is a " << RoleName(*role_)
                      << " worker now, no " << RoleName(from) << " worker";
      listener.OnRole(*this, from);
    }
    return listener.OnStatus(*this);
  }
  redial_ = surroundings_.options.redial_min;
  last_problem_.clear();
  BATON_LOG(Info) << RoleName(*role_) << " worker " << address_.name << " is there (epoch "
                  << description_->identity.epoch << ")";
  listener.OnThere(*this);
}

void Member::LookForProgress() {
  const auto loop = progress_->Look(status_->loops, surroundings_.clock.Now());
  if (loop.has_value() == stuck_) return;
  stuck_ = loop.has_value();
  if (!stuck_) {
    BATON_LOG(Info) << "worker " << address_.name << " gets ahead again";
    return;
  }
  const Status why = DeadlineExceeded("it is stuck: its " + *loop +
                                      " thread has something to do and got nothing done for " +
                                      FormatMs(progress_->limit()));
  BATON_LOG(Warning) << "worker " << address_.name << " gets no more requests: " << why.message();
  surroundings_.listener.OnStuck(*this, why);
}

void Member::Lost(const Status& status) {
  const std::string problem = status.ok() ? "it closed the connection" : status.message();
  const bool was_there = there();
  if (!closed_ && was_there) {
    BATON_LOG(Info) << "worker " << address_.name << " at " << address_.address
                    << " was lost: " << problem;
  } else if (!closed_ && problem != last_problem_) {  // It may be starting still.
    BATON_LOG(Debug) << "worker " << address_.name << " at " << address_.address
                     << " is not there: " << problem;
  }
  last_problem_ = problem;
  status_.reset();
  description_.reset();
  unjoined_.clear();
  role_.reset();
  watch_.reset();
  if (prefixes_) surroundings_.prefixes.Remove(*std::exchange(prefixes_, std::nullopt));
  silence_.reset();
  progress_.reset();
  stuck_ = false;
  deadline_ = surroundings_.clock.Now() + redial_;
  redial_ = std::min<Duration>(2 * redial_, surroundings_.options.redial_max);
  if (closed_) return;
  surroundings_.listener.OnLost(*this, was_there, Unavailable("it was lost: " + problem));
}

void Member::FollowJoins() {
  std::map<std::string, TimePoint> unjoined;
  for (const rpc::JoinProblem& problem : status_->join_problems) {
    const auto known = unjoined_.find(problem.peer);
    unjoined[problem.peer] = known == unjoined_.end() ? surroundings_.clock.Now() : known->second;
  }
  unjoined_ = std::move(unjoined);
}

bool Member::UnjoinedFor(const std::string& peer, Duration time) const {
  const auto since = unjoined_.find(peer);
  return since != unjoined_.end() && surroundings_.clock.Now() - since->second >= time;
}

void Member::SetRole(Role role, Duration patience, std::function<void(const Status&)> done) {
  ++calls_;
  client_->SetRole(role, patience, kCallTimeout, [this, done = std::move(done)](Status status) {
    surroundings_.post([this, done, status = std::move(status)] {
      --calls_;
      if (!closed_) done(status);
    });
  });
}

void Member::TellPeers(std::vector<rpc::PeerAddress> peers) {
  if (telling_) {
    tell_next_ = std::move(peers);
    return;
  }
  telling_ = true;
  tell_next_.reset();
  ++calls_;
  client_->SetPeers(peers, kCallTimeout, [this](Status status) {
    surroundings_.post([this, status = std::move(status)] {
      --calls_;
      Told(status);
    });
  });
}

void Member::Told(const Status& status) {
  telling_ = false;
  auto next = std::exchange(tell_next_, std::nullopt);
  if (closed_ || !there()) return;
  if (next) return TellPeers(*std::move(next));
  if (status.ok()) return;
  BATON_LOG(Warning) << "worker " << address_.name
                     << " could not be told its peers: " << status.message();
  if (watch_) watch_->Cancel();  // Start over with it.
}

}  // namespace baton::router
