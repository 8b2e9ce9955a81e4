// Who belongs to the fleet: workers come when they are found and have said who they are, and go
// once what they have of ours has ended.
#include <algorithm>
#include <utility>

#include "baton/base/logging.h"
#include "fleet.h"

namespace baton::router {
namespace {

/// For how long decode workers are kept from a prefill worker that has left, which a router that
/// still knows it may name once more.
constexpr Duration kRememberGone = std::chrono::minutes(1);
/// For how long figures of a worker that has left stay, as one of its name may come back.
constexpr Duration kForgetWorker = std::chrono::minutes(5);
constexpr size_t kMostNameBytes = 253;

/// Of what names of hosts and pods are made; it stands in metrics, logs and headers.
bool IsWorkerName(const std::string& name) {
  return !name.empty() && name.size() <= kMostNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

}  // namespace

void Fleet::SetPlaces(const std::vector<discovery::Place>& found) {
  places_.clear();
  for (const rpc::PeerAddress& worker : options_.workers) {
    places_.push_back({worker.name, worker.address});
  }
  const auto taken = [this](const discovery::Place& place) {
    return std::any_of(places_.begin(), places_.end(), [&](const discovery::Place& other) {
      return other.address == place.address || (!place.name.empty() && other.name == place.name);
    });
  };
  for (const discovery::Place& place : found) {
    if (!taken(place)) places_.push_back(place);
  }
  Reconcile();
}

bool Fleet::IsWanted(const std::string& name, const std::string& address) const {
  return std::any_of(places_.begin(), places_.end(), [&](const discovery::Place& place) {
    return place.address == address && (place.name.empty() || place.name == name);
  });
}

void Fleet::Reconcile() {
  ++version_;
  ++room_version_;
  for (auto& [name, member] : members_) Reconcile(*member);
  for (auto it = newcomers_.begin(); it != newcomers_.end();) {
    if (IsWanted({}, it->first)) {
      ++it;
      continue;
    }
    BATON_LOG(Info) << "nobody is looked for at " << it->first << " any more";
    Retire(std::move(it->second));
    it = newcomers_.erase(it);
  }
  for (const discovery::Place& place : places_) {
    if (!place.name.empty()) {
      // One of that name elsewhere is about to leave.
      if (!members_.contains(place.name)) Admit({place.name, place.address}, false);
    } else if (!newcomers_.contains(place.address) && !HasMemberAt(place.address)) {
      newcomers_[place.address] = std::make_unique<Newcomer>(place.address, surroundings_);
    }
  }
}

void Fleet::Reconcile(Member& member) {
  const rpc::PeerAddress& address = member.address();
  const bool wanted = IsWanted(address.name, address.address);
  if (wanted && member.leaves_fleet() && (member.there() || !member.named_itself())) {
    BATON_LOG(Info) << "worker " << address.name << " at " << address.address << " stays after all";
    member.LeaveFleet(false);
  } else if (!wanted && !member.leaves_fleet()) {
    BATON_LOG(Info) << "worker " << address.name << " at " << address.address
                    << " is no more among those found: it gets no more requests, and "
                    << member.load() << " of this router finish there";
    member.LeaveFleet(true);
  }
}

bool Fleet::HasMemberAt(const std::string& address) const {
  return std::any_of(members_.begin(), members_.end(),
                     [&](const auto& entry) { return entry.second->address().address == address; });
}

void Fleet::Admit(const rpc::PeerAddress& worker, bool named_itself) {
  known_peers_.erase(worker.name);
  gone_.erase(worker.name);
  forget_.erase(worker.name);
  members_[worker.name] = std::make_unique<Member>(worker, named_itself, surroundings_);
}

TimePoint Fleet::TickNewcomers(TimePoint now) {
  TimePoint next = TimePoint::max();
  for (auto it = newcomers_.begin(); it != newcomers_.end();) {
    const auto description = it->second->TakeDescription();
    if (description && Welcome(*it->second, description->identity.name)) {
      Retire(std::move(it->second));
      it = newcomers_.erase(it);
      continue;
    }
    next = std::min(next, it->second->Tick(now));
    ++it;
  }
  return next;
}

bool Fleet::Welcome(Newcomer& newcomer, const std::string& name) {
  ++version_;
  const Member* other = Find(name);
  if (IsWorkerName(name) && other == nullptr) {
    BATON_LOG(Info) << "found worker " << name << " at " << newcomer.address();
    metrics_.CountNewcomer("admitted");
    Admit({name, newcomer.address()}, true);
    return true;
  }
  std::string problem = "it calls itself '" + name + "', which is no name of a worker";
  if (other != nullptr) {
    problem = "it calls itself " + name + " like the worker at " + other->address().address;
    if (other->leaves_fleet() || !other->there()) problem += ", which has not left yet";
  }
  metrics_.CountNewcomer(other != nullptr ? "name_taken" : "no_name");
  if (newcomer.Refuse(problem)) {
    BATON_LOG(Warning) << "whoever is at " << newcomer.address()
                       << " is not taken into the fleet: " << problem
                       << "; give each worker a --name of its own";
  }
  return false;
}

/// Removes whoever leaves and has nothing of ours any more.
bool Fleet::Sweep(TimePoint now) {
  bool some = false;
  for (auto it = members_.begin(); it != members_.end();) {
    Member& member = *it->second;
    if (!member.leaves_fleet() || member.load() > 0) {
      ++it;
      continue;
    }
    some = true;
    const rpc::PeerAddress address = member.address();
    known_peers_.erase(address.name);
    forget_[address.name] = now + kForgetWorker;
    if (!IsWanted(address.name, address.address)) {
      BATON_LOG(Info) << "worker " << address.name << " at " << address.address
                      << " has left the fleet";
      known_peers_[address.name] = {PeerKnowledge::Kind::kDoesNot, address.address};
      gone_[address.name] = now + kRememberGone;
    }
    member.Close();
    closing_.push_back(std::move(it->second));
    it = members_.erase(it);
  }
  std::erase_if(gone_, [&](const auto& gone) {
    if (gone.second > now) return false;
    known_peers_.erase(gone.first);
    return true;
  });
  std::erase_if(closing_, [](const auto& member) { return member->idle(); });
  std::erase_if(closing_newcomers_, [](const auto& newcomer) { return newcomer->idle(); });
  if (!some) return false;
  TellPeers();
  Reconcile();
  return true;
}

std::vector<std::string> Fleet::TakeForgotten(TimePoint now) {
  std::vector<std::string> names;
  std::erase_if(forget_, [&](const auto& worker) {
    // One whose calls have not ended may still count what they bring.
    const bool closing = std::any_of(closing_.begin(), closing_.end(), [&](const auto& member) {
      return member->address().name == worker.first;
    });
    if (closing || worker.second > now) return false;
    names.push_back(worker.first);
    return true;
  });
  return names;
}

void Fleet::Retire(std::unique_ptr<Newcomer> newcomer) {
  newcomer->Close();
  closing_newcomers_.push_back(std::move(newcomer));
}

void Fleet::CountWorkers() {
  int there = 0;
  int leaving = 0;
  for (const auto& [name, member] : members_) {
    if (member->leaves_fleet()) {
      ++leaving;
    } else if (member->there()) {
      ++there;
    }
  }
  const auto all = static_cast<int>(members_.size());
  metrics_.workers_there.Set(there);
  metrics_.workers_leaving.Set(leaving);
  metrics_.workers_absent.Set(all - there - leaving);
  metrics_.workers_unknown.Set(static_cast<double>(newcomers_.size()));
}

}  // namespace baton::router
