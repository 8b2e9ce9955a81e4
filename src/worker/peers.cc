#include "peers.h"

#include <algorithm>
#include <utility>

#include "baton/base/logging.h"
#include "baton/base/random.h"
#include "baton/base/units.h"
#include "liveness.h"

namespace baton::worker {
namespace {

constexpr Duration kRedialMin = std::chrono::milliseconds(20);
constexpr Duration kRedialMax = std::chrono::seconds(1);
/// How long a peer may take to answer a hello.
constexpr Duration kJoinTimeout = std::chrono::seconds(5);
constexpr char kLeaving[] = "it takes no more hand-offs";

}  // namespace

/// One wanted prefill worker. `call` is set while a join is under way, `peer` while it is joined.
struct Peers::Link {
  rpc::PeerAddress address;
  std::unique_ptr<rpc::WorkerClient> client;
  std::shared_ptr<rpc::JoinCall> call;
  uint64_t connection = 0;
  std::optional<transport::PeerId> peer;
  transport::Path path;
  /// Why we gave this join up, until the call has ended.
  Status refusal;
  /// While it is joined.
  std::optional<Liveness> liveness;
  /// The peer takes no more: the join ends once nothing is under way over it.
  bool leaving = false;
  /// When to dial next, or when an unanswered hello is given up.
  TimePoint deadline{};
  Duration redial = kRedialMin;
  /// Of the process that was joined last.
  std::optional<Epoch> epoch;
  /// Not wanted but for its word that no earlier put of its can land: blocks wait for that.
  bool settling = false;
  bool wanted = true;
  std::string last_problem;
};

Peers::Peers(rpc::JoinHello ours, Parts parts, Post post)
    : ours_(std::move(ours)), parts_(std::move(parts)), post_(std::move(post)) {}

void Peers::Set(const std::vector<rpc::PeerAddress>& wanted) {
  for (auto& [name, link] : links_) {
    if (std::find(wanted.begin(), wanted.end(), link->address) != wanted.end()) continue;
    if (std::exchange(link->settling, true)) continue;
    if (link->peer && parts_.decode.UnderWay(*link->peer) > 0) {
      link->leaving = true;
      continue;
    }
    if (link->call) link->call->Cancel();
    Drop(*link, Unavailable("prefill worker " + name + " was taken out of the fleet"));
  }
  Forget([this](const Link& link) { return Settled(link); });
  for (const rpc::PeerAddress& address : wanted) {
    const auto known = links_.find(address.name);
    if (known != links_.end() && known->second->address == address) {
      known->second->settling = false;
      continue;
    }
    if (known != links_.end()) Replace(*known->second);
    auto link = std::make_shared<Link>();
    link->address = address;
    links_[address.name] = link;
    Dial(link);
  }
}

/// Somebody of that name is elsewhere now.
void Peers::Replace(Link& link) {
  link.wanted = false;
  if (link.call) link.call->Cancel();
  Drop(link, Unavailable("prefill worker " + link.address.name + " is at another address now"));
}

void Peers::Close() {
  Set({});
  Forget([](const Link&) { return true; });
}

bool Peers::Settled(const Link& link) const {
  if (!link.settling || (link.peer && parts_.decode.UnderWay(*link.peer) > 0)) return false;
  return !(link.epoch && parts_.decode.Awaits(*link.epoch));
}

void Peers::Forget(const std::function<bool(const Link&)>& which) {
  std::erase_if(links_, [&](const auto& entry) {
    Link& link = *entry.second;
    if (!which(link)) return false;
    link.wanted = false;
    if (link.call) link.call->Cancel();
    Drop(link, Unavailable("prefill worker " + link.address.name + " was taken out of the fleet"));
    return true;
  });
}

void Peers::Dial(const std::shared_ptr<Link>& link) {
  ++calls_;
  // Anew each time: the connection of the last attempt may be one that nothing comes over.
  link->client = parts_.dial(link->address.address);
  link->connection = RandomSeed();
  link->deadline = parts_.clock.Now() + kJoinTimeout;
  rpc::JoinHello ours = ours_;
  ours.connection = link->connection;
  link->call = link->client->Join(
      ours, {.on_accepted =
                 [this, link](rpc::JoinHello hello) {
                   post_([this, link, hello = std::move(hello)] { Accepted(link, hello); });
                 },
             .on_alive =
                 [this, link] {
                   post_([this, link] {
                     if (link->liveness) link->liveness->Heard(parts_.clock.Now());
                   });
                 },
             .on_leaving =
                 [this, link] {
                   post_([this, link] {
                     if (!link->peer) return;
                     link->leaving = true;
                     link->last_problem = kLeaving;
                   });
                 },
             .on_end =
                 [this, link](Status status) {
                   post_([this, link, status = std::move(status)] { Ended(link, status); });
                 }});
}

void Peers::Accepted(const std::shared_ptr<Link>& link, const rpc::JoinHello& hello) {
  if (!link->wanted || !link->call || hello.connection != link->connection) return;
  link->refusal = Connect(*link, hello);
  if (!link->refusal.ok()) {
    Drop(*link, link->refusal);
    link->call->Cancel();
    return;
  }
  link->epoch = hello.worker.identity.epoch;
  link->leaving = hello.leaving || link->settling;
  link->liveness.emplace(ours_, hello, parts_.clock.Now());
  if (!link->leaving) link->redial = kRedialMin;
  link->last_problem = link->leaving ? kLeaving : "";
  parts_.metrics.SetPath(link->address.name, link->path, true);
  parts_.transport.Prepare(*link->peer);  // It connected before it accepted us.
  BATON_LOG(Info) << "joined prefill worker " << link->address.name << " (epoch "
                  << hello.worker.identity.epoch << ") over " << link->path.text;
}

Status Peers::Connect(Link& link, const rpc::JoinHello& hello) {
  BATON_ASSIGN_OR_RETURN(link.peer,
                         parts_.transport.Connect(hello.worker.transport_address, link.connection));
  link.path = parts_.transport.FindPath(*link.peer);
  BATON_RETURN_IF_ERROR(transport::CheckFound(parts_.required, link.path));
  return parts_.decode.AddPeer(*link.peer,
                               {.worker = hello.worker.identity, .connection = link.connection});
}

void Peers::Ended(const std::shared_ptr<Link>& link, const Status& status) {
  --calls_;
  link->call.reset();
  if (!link->wanted) return;
  const Status refusal = std::exchange(link->refusal, OkStatus());
  const std::string problem = !refusal.ok() ? refusal.message()
                              : status.ok() ? "it closed the connection"
                                            : status.message();
  if (link->peer || problem != link->last_problem) {
    BATON_LOG(Info) << "not joined with prefill worker " << link->address.name << ": " << problem;
  }
  link->last_problem = problem;
  Drop(*link, Unavailable("prefill worker " + link->address.name + " was lost: " + problem));
  link->deadline = parts_.clock.Now() + link->redial;
  link->redial = std::min(2 * link->redial, kRedialMax);
}

void Peers::Drop(Link& link, const Status& status) {
  if (!link.peer) return;
  const transport::PeerId peer = *std::exchange(link.peer, std::nullopt);
  link.liveness.reset();
  link.leaving = false;
  parts_.metrics.SetPath(link.address.name, link.path, false);
  parts_.decode.LosePeer(peer, status);
  parts_.transport.Disconnect(peer);
}

void Peers::Lose(transport::PeerId peer, const Status& status) {
  for (auto& [name, link] : links_) {
    if (link->peer == peer) GiveUp(*link, status);
  }
}

void Peers::GiveUp(Link& link, const Status& status) {
  BATON_LOG(Warning) << "giving up the connection to prefill worker " << link.address.name << ": "
                     << status.message();
  link.refusal = status;
  Drop(link, status.WithContext("prefill worker " + link.address.name + " was lost"));
  if (link.call) link.call->Cancel();
}

void Peers::Heard(transport::PeerId peer, TimePoint now) {
  for (auto& [name, link] : links_) {
    if (link->peer == peer) return link->liveness->Heard(now);
  }
}

void Peers::TickJoined(Link& link, TimePoint now) {
  if (link.liveness->Lost(now)) {
    ++silent_;
    return GiveUp(link, Unavailable("it was silent for " + FormatMs(ours_.silence)));
  }
  if (link.leaving && parts_.decode.UnderWay(*link.peer) == 0) {
    link.refusal = Unavailable(kLeaving);
    Drop(link, link.refusal);
    return link.call->Cancel();
  }
  if (link.liveness->TakeSign(now)) link.call->SendAlive();
}

TimePoint Peers::Tick(TimePoint now) {
  Forget([this](const Link& link) { return Settled(link); });
  TimePoint next = TimePoint::max();
  for (auto& [name, link] : links_) {
    if (link->peer) {
      TickJoined(*link, now);
      if (link->peer) next = std::min(next, link->liveness->next());
      continue;
    }
    if (link->deadline <= now) {
      if (link->call) {
        link->call->Cancel();
        link->deadline = now + kJoinTimeout;
      } else {
        Dial(link);
      }
    }
    next = std::min(next, link->deadline);
  }
  return next;
}

std::optional<transport::PeerId> Peers::Find(const std::string& name) const {
  const auto it = links_.find(name);
  if (it == links_.end() || it->second->leaving || it->second->settling) return std::nullopt;
  return it->second->peer;
}

std::vector<std::string> Peers::joined() const {
  std::vector<std::string> names;
  for (const auto& [name, link] : links_) {
    if (link->peer && !link->leaving && !link->settling) names.push_back(name);
  }
  return names;
}

std::vector<rpc::JoinProblem> Peers::problems() const {
  std::vector<rpc::JoinProblem> problems;
  for (const auto& [name, link] : links_) {
    if (link->settling || (link->peer && !link->leaving)) continue;
    if (!link->last_problem.empty()) problems.push_back({name, link->last_problem});
  }
  return problems;
}

std::vector<rpc::PeerAddress> Peers::told() const {
  std::vector<rpc::PeerAddress> told;
  for (const auto& [name, link] : links_) {
    if (!link->settling) told.push_back(link->address);
  }
  return told;
}

}  // namespace baton::worker
