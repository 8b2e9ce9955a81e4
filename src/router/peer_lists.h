#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "baton/rpc/messages.h"

namespace baton::router {

/// What this router knows of whoever has a name.
struct PeerKnowledge {
  enum class Kind {
    /// It is there and prefills.
    kPrefills,
    /// It is not there, or leaves: nothing is known that a decode worker should act on.
    kMaybe,
    /// It does something else, or has left the fleet.
    kDoesNot,
  };
  Kind kind = Kind::kMaybe;
  std::string address;
};
using PeerKnowledgeByName = std::map<std::string, PeerKnowledge>;

/// Whether so named a peer of a decode worker has not been joined with it for so long that it is to
/// be forgotten, if nobody knows better.
using IsStale = std::function<bool(const std::string& peer)>;

/// What a decode worker is to be told. It keeps all that it has but for those of which this router
/// knows better, since another router may have told it: two that know different parts of a fleet
/// thus come to tell the same.
std::vector<rpc::PeerAddress> PeersToTell(const rpc::WorkerStatus& decode,
                                          const PeerKnowledgeByName& known,
                                          const IsStale& is_stale);

/// Whether it must be told: it lacks a prefill worker that is there, because what it was told last
/// came late or from another router, or has one that nobody will miss.
bool MustBeTold(const rpc::WorkerStatus& decode, const PeerKnowledgeByName& known,
                const IsStale& is_stale);

}  // namespace baton::router
