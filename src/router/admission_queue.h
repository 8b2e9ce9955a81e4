#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "baton/base/clock.h"

namespace baton::router {

/// What the order of those that wait depends on.
struct QueuedRequest {
  std::string tenant;
  /// Less goes first.
  int32_t priority = 0;
  /// When its first token is wished for.
  TimePoint due{};
  /// What it counts against its tenant, above 0.
  int64_t tokens = 1;
  /// When to look at it although it is not its turn.
  TimePoint alarm = TimePoint::max();
};

/// Of a request in the queue; never used twice.
enum class QueueNumber : uint64_t {};

/// Who goes next: by priority; within one those that were not demoted first; among these the tenant
/// that got the fewest tokens while it had something to wait for; of a tenant, who is due first.
/// Among equals, who came first. So a tenant's first request goes next but for those of other
/// tenants that were served as little, however many requests these have, and of one tenant nobody
/// waits for ever who is due at some time.
///
/// Fairness is start-time fair queueing: a tenant's virtual time is what it was served, and one
/// that comes (again) starts at that of the request that went last. It is forgotten when nobody
/// waits. *Threads*: lives on the router's thread. *Invariants*: Add() adds none beyond capacity.
/// Changes take O(log size()), Add() to a full queue O(tenants).
class AdmissionQueue {
 public:
  /// REQUIRES: `capacity` above 0.
  explicit AdmissionQueue(size_t capacity) : capacity_(capacity) {}

  /// Those who are beyond it already stay.
  void SetCapacity(size_t capacity) { capacity_ = capacity; }

  struct Added {
    /// Nothing when the queue is full of requests that have more right to their place.
    std::optional<QueueNumber> number;
    /// Who had to make room.
    std::optional<QueueNumber> displaced = {};
  };
  /// The last of the tenant with the most waiting requests makes room in a full queue: for a
  /// request of more priority, or one of a tenant that has fewer there.
  Added Add(QueuedRequest request);
  /// Nothing when nobody waits.
  std::optional<QueueNumber> First() const;
  /// Removes First() and counts it against its tenant. REQUIRES: somebody waits.
  void Take();
  /// Without counting it. REQUIRES: it waits; so do the following.
  void Remove(QueueNumber number);
  /// Puts it behind all of its priority that have not been demoted.
  void Demote(QueueNumber number);
  void SetAlarm(QueueNumber number, TimePoint alarm);
  const QueuedRequest& Get(QueueNumber number) const { return entries_.at(number).request; }
  bool demoted(QueueNumber number) const { return entries_.at(number).demoted; }

  /// Whose alarm has come, the first of them.
  std::optional<QueueNumber> Due(TimePoint now) const;
  TimePoint next_alarm() const;
  /// What a request cost its tenant in the end, beyond what it was counted for.
  void Charge(int32_t priority, const std::string& tenant, int64_t tokens);
  /// An estimate of what will be taken before it, if nobody else comes. O(priorities + tenants).
  int64_t TokensAhead(QueueNumber number) const;

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  int64_t tokens() const { return tokens_; }
  /// All that wait, in no order.
  std::vector<QueueNumber> Numbers() const;

 private:
  using Place = std::pair<TimePoint, QueueNumber>;
  struct Entry {
    QueuedRequest request;
    bool demoted = false;
  };
  struct Tenant {
    /// Virtual time at which its next request starts.
    int64_t start = 0;
    /// By when they are due.
    std::set<Place> waiting;
    int64_t tokens = 0;
  };
  using TenantTable = std::map<std::string, Tenant>;
  /// A tenant with somebody waiting: start, its first request's place.
  using Turn = std::tuple<int64_t, TimePoint, QueueNumber, TenantTable::iterator>;
  struct ByTurn {
    bool operator()(const Turn& a, const Turn& b) const {
      return std::tie(std::get<0>(a), std::get<1>(a), std::get<2>(a)) <
             std::tie(std::get<0>(b), std::get<1>(b), std::get<2>(b));
    }
  };
  struct ByStart {
    bool operator()(TenantTable::iterator a, TenantTable::iterator b) const {
      return std::tie(a->second.start, a->first) < std::tie(b->second.start, b->first);
    }
  };
  /// Those of one priority, demoted or not. There is one while somebody waits there.
  struct Lane {
    int64_t now = 0;
    TenantTable tenants;
    std::set<Turn, ByTurn> turns;
    /// Tenants without anybody waiting that have been served beyond `now`.
    std::set<TenantTable::iterator, ByStart> resting;
    int64_t tokens = 0;
  };
  using LaneKey = std::pair<int32_t, bool>;

  static Turn TurnOf(TenantTable::iterator tenant);
  static LaneKey KeyOf(const Entry& entry) { return {entry.request.priority, entry.demoted}; }
  void Insert(QueueNumber number, const Entry& entry);
  /// What is left of its tenant; `served` counts it as such.
  void Withdraw(QueueNumber number, const Entry& entry, bool served);
  void Erase(QueueNumber number, bool served);
  /// Whom a full queue would rather lose than `request`.
  std::optional<QueueNumber> Displaced(const QueuedRequest& request) const;

  size_t capacity_;
  uint64_t next_ = 1;
  int64_t tokens_ = 0;
  std::unordered_map<QueueNumber, Entry> entries_;
  std::map<LaneKey, Lane> lanes_;
  std::set<Place> alarms_;
};

}  // namespace baton::router
