#include "peers.h"

#include <algorithm>
#include <utility>

#include "baton/base/logging.h"
#include "baton/base/random.h"

namespace baton::worker {
namespace {

constexpr Duration kRedialMin = std::chrono::milliseconds(20);
constexpr Duration kRedialMax = std::chrono::seconds(1);
/// How long a peer may take to answer a hello.
constexpr Duration kJoinTimeout = std::chrono::seconds(5);

}  // namespace

/// One wanted prefill worker. `call` is set while a join is under way, `peer` while it is joined.
struct Peers::Link {
  rpc::PeerAddress address;
  std::unique_ptr<rpc::WorkerClient> client;
  std::shared_ptr<rpc::Call> call;
  uint64_t connection = 0;
  std::optional<transport::PeerId> peer;
  /// When to dial next, or when an unanswered hello is given up.
  TimePoint deadline{};
  Duration redial = kRedialMin;
  bool wanted = true;
  std::string last_problem;
};

Peers::Peers(rpc::WorkerDescription ours, transport::Transport& transport,
             handoff::DecodeSide& decode, Clock& clock, Post post)
    : ours_(std::move(ours)),
      transport_(transport),
      decode_(decode),
      clock_(clock),
      post_(std::move(post)) {}

void Peers::Set(const std::vector<rpc::PeerAddress>& wanted) {
  for (auto it = links_.begin(); it != links_.end();) {
    Link& link = *it->second;
    if (std::find(wanted.begin(), wanted.end(), link.address) != wanted.end()) {
      ++it;
      continue;
    }
    link.wanted = false;
    if (link.call) link.call->Cancel();
    Drop(link, Unavailable("prefill worker " + link.address.name + " was taken out of the fleet"));
    it = links_.erase(it);
  }
  for (const rpc::PeerAddress& address : wanted) {
    if (links_.contains(address.name)) continue;
    auto link = std::make_shared<Link>();
    link->address = address;
    link->client = rpc::WorkerClient::Create(address.address);
    links_[address.name] = link;
    Dial(link);
  }
}

void Peers::Dial(const std::shared_ptr<Link>& link) {
  ++calls_;
  link->connection = RandomSeed();
  link->deadline = clock_.Now() + kJoinTimeout;
  link->call = link->client->Join(
      {.worker = ours_, .connection = link->connection},
      {.on_accepted =
           [this, link](rpc::JoinHello hello) {
             post_([this, link, hello = std::move(hello)] { Accepted(link, hello); });
           },
       .on_end =
           [this, link](Status status) {
             post_([this, link, status = std::move(status)] { Ended(link, status); });
           }});
}

void Peers::Accepted(const std::shared_ptr<Link>& link, const rpc::JoinHello& hello) {
  if (!link->wanted || !link->call || hello.connection != link->connection) return;
  const Status status = [&]() -> Status {
    BATON_ASSIGN_OR_RETURN(const transport::PeerId peer,
                           transport_.Connect(hello.worker.transport_address));
    link->peer = peer;
    return decode_.AddPeer(peer, {.worker = hello.worker.identity, .connection = link->connection});
  }();
  if (!status.ok()) {
    BATON_LOG(Warning) << "cannot join prefill worker " << link->address.name << ": "
                       << status.message();
    Drop(*link, status);
    link->call->Cancel();
    return;
  }
  link->redial = kRedialMin;
  link->last_problem.clear();
  BATON_LOG(Info) << "joined prefill worker " << link->address.name << " (epoch "
                  << hello.worker.identity.epoch << ") over "
                  << transport_.DescribePath(*link->peer);
}

void Peers::Ended(const std::shared_ptr<Link>& link, const Status& status) {
  --calls_;
  link->call.reset();
  if (!link->wanted) return;
  const std::string problem =
      status.ok() ? "it closed the connection" : std::string(status.message());
  if (link->peer || problem != link->last_problem) {
    BATON_LOG(Info) << "not joined with prefill worker " << link->address.name << ": " << problem;
  }
  link->last_problem = problem;
  Drop(*link, Unavailable("prefill worker " + link->address.name + " was lost: " + problem));
  link->deadline = clock_.Now() + link->redial;
  link->redial = std::min(2 * link->redial, kRedialMax);
}

void Peers::Drop(Link& link, const Status& status) {
  if (!link.peer) return;
  const transport::PeerId peer = *std::exchange(link.peer, std::nullopt);
  decode_.LosePeer(peer, status);
  transport_.Disconnect(peer);
}

void Peers::Lose(transport::PeerId peer, const Status& status) {
  for (auto& [name, link] : links_) {
    if (link->peer != peer) continue;
    BATON_LOG(Warning) << "giving up the connection to " << name << ": " << status.message();
    Drop(*link, status);
    if (link->call) link->call->Cancel();
  }
}

TimePoint Peers::Tick(TimePoint now) {
  TimePoint next = TimePoint::max();
  for (auto& [name, link] : links_) {
    if (link->peer) continue;
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
  return it == links_.end() ? std::nullopt : it->second->peer;
}

std::vector<std::string> Peers::joined() const {
  std::vector<std::string> names;
  for (const auto& [name, link] : links_) {
    if (link->peer) names.push_back(name);
  }
  return names;
}

}  // namespace baton::worker
