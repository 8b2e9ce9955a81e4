#include "peer_lists.h"

#include <algorithm>

namespace baton::router {
namespace {

using Kind = PeerKnowledge::Kind;

bool IsJoined(const rpc::WorkerStatus& decode, const std::string& peer) {
  const auto& joined = decode.joined_peers;
  return std::find(joined.begin(), joined.end(), peer) != joined.end();
}

/// By name; without an address where the worker tells none, as an older build does.
std::map<std::string, std::string> PeersOf(const rpc::WorkerStatus& decode) {
  std::map<std::string, std::string> peers;
  for (const std::string& name : decode.joined_peers) peers[name];
  for (const rpc::JoinProblem& problem : decode.join_problems) peers[problem.peer];
  for (const rpc::PeerAddress& peer : decode.peers) peers[peer.name] = peer.address;
  return peers;
}

/// Where `peer`, which the decode worker has at `address`, should be; empty: nowhere.
std::string AddressFor(const rpc::WorkerStatus& decode, const std::string& peer,
                       const std::string& address, const PeerKnowledge* known, bool stale) {
  if (known == nullptr) return stale ? std::string() : address;
  const bool same = address.empty() || address == known->address;
  switch (known->kind) {
    case Kind::kPrefills: return same || !IsJoined(decode, peer) ? known->address : address;
    case Kind::kMaybe: return same ? known->address : stale ? std::string() : address;
    case Kind::kDoesNot: return same || stale ? std::string() : address;
  }
  return {};
}

}  // namespace

std::vector<rpc::PeerAddress> PeersToTell(const rpc::WorkerStatus& decode,
                                          const PeerKnowledgeByName& known,
                                          const IsStale& is_stale) {
  std::map<std::string, std::string> told;
  for (const auto& [name, knowledge] : known) {
    if (knowledge.kind == Kind::kPrefills) told[name] = knowledge.address;
  }
  for (const auto& [name, address] : PeersOf(decode)) {
    const auto knowledge = known.find(name);
    told[name] =
        AddressFor(decode, name, address, knowledge == known.end() ? nullptr : &knowledge->second,
                   is_stale(name));
  }
  std::vector<rpc::PeerAddress> peers;
  for (const auto& [name, address] : told) {
    if (!address.empty()) peers.push_back({name, address});
  }
  return peers;
}

bool MustBeTold(const rpc::WorkerStatus& decode, const PeerKnowledgeByName& known,
                const IsStale& is_stale) {
  const auto peers = PeersOf(decode);
  const bool lacks = std::any_of(known.begin(), known.end(), [&](const auto& entry) {
    if (entry.second.kind != Kind::kPrefills) return false;
    const auto has = peers.find(entry.first);
    if (has == peers.end()) return true;
    return !has->second.empty() && has->second != entry.second.address &&
           !IsJoined(decode, entry.first);
  });
  return lacks || std::any_of(peers.begin(), peers.end(), [&](const auto& peer) {
           const auto of = known.find(peer.first);
           if (of != known.end()) return of->second.kind == Kind::kDoesNot;
           return !peer.second.empty() && is_stale(peer.first);
         });
}

}  // namespace baton::router
