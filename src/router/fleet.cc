#include "fleet.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "baton/base/check.h"
#include "baton/base/logging.h"
#include "baton/base/silence.h"

namespace baton::router {
namespace {

constexpr Duration kCallTimeout = std::chrono::seconds(2);

}  // namespace

/// One configured worker. Dialing -> described -> watched (`status` set) -> lost -> dialing.
struct Fleet::Member {
  rpc::PeerAddress address;
  std::unique_ptr<rpc::WorkerClient> client;
  std::optional<rpc::WorkerDescription> description;
  std::optional<rpc::WorkerStatus> status;
  std::shared_ptr<rpc::Call> watch;
  /// Counts the watches, so that the end of one that was given up says nothing.
  uint64_t watches = 0;
  /// While it is watched.
  std::optional<Silence> silence;
  bool dialing = false;
  /// When to dial next.
  TimePoint deadline{};
  Duration redial{};
  int32_t load = 0;
  /// Decode workers: a SetPeers call is under way; the peers have changed since it began.
  bool telling = false;
  bool tell_again = false;
  std::string last_problem;
};

bool Fleet::IsPrefill(const Member& member) {
  return member.description && member.description->role == Role::kPrefill;
}

bool Fleet::HasPeer(const Member& decode, const std::string& name) {
  const auto& joined = decode.status->joined_peers;
  const auto& problems = decode.status->join_problems;
  return std::find(joined.begin(), joined.end(), name) != joined.end() ||
         std::any_of(problems.begin(), problems.end(),
                     [&](const rpc::JoinProblem& problem) { return problem.peer == name; });
}

Fleet::Fleet(const RouterOptions& options, rpc::DialWorker dial, Clock& clock, Post post,
             OnLost on_lost)
    : options_(options),
      dial_(std::move(dial)),
      clock_(clock),
      post_(std::move(post)),
      on_lost_(std::move(on_lost)) {
  for (const rpc::PeerAddress& address : options.workers) {
    auto member = std::make_shared<Member>();
    member->address = address;
    member->redial = options.redial_min;
    members_[address.name] = std::move(member);
  }
}

TimePoint Fleet::Tick(TimePoint now) {
  if (closed_) return TimePoint::max();
  TimePoint next = TimePoint::max();
  for (auto& [name, member] : members_) {
    if (member->dialing) continue;
    if (member->silence && member->silence->Look(now)) {
      member->watch->Cancel();
      Lost(member, Unavailable("it was silent for " +
                               std::to_string(options_.status_timeout.count()) + " ms"));
    }
    if (member->silence) {
      next = std::min(next, member->silence->next());
    } else if (member->deadline <= now) {
      Dial(member);
    } else {
      next = std::min(next, member->deadline);
    }
  }
  return next;
}

void Fleet::Close() {
  closed_ = true;
  for (auto& [name, member] : members_) {
    if (member->watch) member->watch->Cancel();
  }
}

void Fleet::Dial(const std::shared_ptr<Member>& member) {
  member->dialing = true;
  ++calls_;
  // Anew each time: the connection of the last attempt may be one that nothing comes over.
  member->client = dial_(member->address.address);
  member->client->Describe(kCallTimeout,
                           [this, member](Result<rpc::WorkerDescription> description) {
                             post_([this, member, description = std::move(description)] {
                               --calls_;
                               Described(member, description);
                             });
                           });
}

void Fleet::Described(const std::shared_ptr<Member>& member,
                      const Result<rpc::WorkerDescription>& description) {
  member->dialing = false;
  if (closed_) return;
  if (!description.ok()) return Lost(member, description.status());
  member->description = *description;
  Watch(member);
}

void Fleet::Watch(const std::shared_ptr<Member>& member) {
  member->silence.emplace(options_.status_timeout, clock_.Now());
  const uint64_t number = ++member->watches;
  ++calls_;
  member->watch = member->client->Watch(
      {.on_status =
           [this, member, number](rpc::WorkerStatus status) {
             post_([this, member, number, status = std::move(status)]() mutable {
               if (number == member->watches) Watched(member, std::move(status));
             });
           },
       .on_end =
           [this, member, number](Status status) {
             post_([this, member, number, status = std::move(status)] {
               --calls_;
               if (number == member->watches && member->watch) Lost(member, status);
             });
           }});
}

void Fleet::Watched(const std::shared_ptr<Member>& member, rpc::WorkerStatus status) {
  if (closed_ || !member->watch) return;
  const bool first = !member->status;
  member->status = std::move(status);
  member->silence->Heard(clock_.Now());
  ++version_;
  if (!first) {
    if (LacksPeer(*member)) TellPeers(member);
    return;
  }
  member->redial = options_.redial_min;
  member->last_problem.clear();
  const Role role = member->description->role;
  BATON_LOG(Info) << RoleName(role) << " worker " << member->address.name << " is there (epoch "
                  << member->description->identity.epoch << ")";
  if (role == Role::kDecode) TellPeers(member);
  if (role == Role::kPrefill) TellPeers();
}

void Fleet::Lost(const std::shared_ptr<Member>& member, const Status& status) {
  const std::string problem = status.ok() ? "it closed the connection" : status.message();
  const bool was_there = member->status.has_value();
  if (!closed_ && was_there) {
    BATON_LOG(Info) << "worker " << member->address.name << " at " << member->address.address
                    << " was lost: " << problem;
  } else if (!closed_ && problem != member->last_problem) {  // It may be starting still.
    BATON_LOG(Debug) << "worker " << member->address.name << " at " << member->address.address
                     << " is not there: " << problem;
  }
  member->last_problem = problem;
  member->status.reset();
  member->description.reset();
  member->watch.reset();
  member->silence.reset();
  member->deadline = clock_.Now() + member->redial;
  member->redial = std::min<Duration>(2 * member->redial, options_.redial_max);
  ++version_;
  if (was_there) on_lost_(member->address.name, Unavailable("it was lost: " + problem));
}

void Fleet::TellPeers() {
  for (auto& [name, member] : members_) {
    if (member->status && member->description->role == Role::kDecode) TellPeers(member);
  }
}

bool Fleet::LacksPeer(const Member& decode) const {
  if (decode.description->role != Role::kDecode || decode.telling) return false;
  return std::any_of(members_.begin(), members_.end(), [&](const auto& entry) {
    return IsPrefill(*entry.second) && !HasPeer(decode, entry.first);
  });
}

/// A decode worker keeps the peers that it has: a router that starts does not know them all yet,
/// and it goes on dialing one that was lost since. One call at a time: of two that are under way
/// the older may arrive last.
void Fleet::TellPeers(const std::shared_ptr<Member>& decode) {
  decode->tell_again = decode->telling;
  if (std::exchange(decode->telling, true)) return;
  std::vector<rpc::PeerAddress> peers;
  for (const auto& [name, member] : members_) {
    if (IsPrefill(*member) || HasPeer(*decode, name)) peers.push_back(member->address);
  }
  ++calls_;
  decode->client->SetPeers(peers, kCallTimeout, [this, decode](Status status) {
    post_([this, decode, status = std::move(status)] {
      --calls_;
      decode->telling = false;
      if (closed_ || !decode->status) return;
      if (decode->tell_again) return TellPeers(decode);
      if (status.ok()) return;
      BATON_LOG(Warning) << "worker " << decode->address.name
                         << " could not be told its peers: " << status.message();
      if (decode->watch) decode->watch->Cancel();  // Start over with it.
    });
  });
}

std::vector<WorkerView> Fleet::Views() const {
  std::vector<WorkerView> views;
  for (const auto& [name, member] : members_) {
    if (!member->status || member->status->draining) continue;
    views.push_back({.name = name,
                     .role = member->description->role,
                     .load = member->load,
                     .joined_peers = member->status->joined_peers,
                     .join_problems = member->status->join_problems});
  }
  return views;
}

rpc::WorkerClient& Fleet::Client(const std::string& name) { return *members_.at(name)->client; }

void Fleet::AddLoad(const std::string& name, int32_t change) {
  const auto it = members_.find(name);
  if (it != members_.end()) it->second->load += change;
}

std::vector<telemetry::MetricsSnapshot> Fleet::Metrics() const {
  std::vector<telemetry::MetricsSnapshot> snapshots;
  for (const auto& [name, member] : members_) {
    if (member->status) snapshots.push_back(member->status->metrics);
  }
  return snapshots;
}

}  // namespace baton::router
