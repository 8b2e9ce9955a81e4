#include "admission_queue.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "baton/base/check.h"

namespace baton::router {

AdmissionQueue::Added AdmissionQueue::Add(QueuedRequest request) {
  Added added;
  if (entries_.size() >= capacity_) {
    added.displaced = Displaced(request);
    if (!added.displaced) return added;
    Erase(*added.displaced, false);
  }
  const QueueNumber number{next_++};
  const auto [entry, fresh] = entries_.emplace(number, Entry{.request = std::move(request)});
  BATON_CHECK(fresh && entry->second.request.tokens > 0);
  alarms_.emplace(entry->second.request.alarm, number);
  tokens_ += entry->second.request.tokens;
  Insert(number, entry->second);
  added.number = number;
  return added;
}

std::optional<QueueNumber> AdmissionQueue::First() const {
  if (lanes_.empty()) return std::nullopt;
  return std::get<QueueNumber>(*lanes_.begin()->second.turns.begin());
}

void AdmissionQueue::Take() { Erase(*First(), true); }

void AdmissionQueue::Remove(QueueNumber number) { Erase(number, false); }

void AdmissionQueue::Demote(QueueNumber number) {
  Entry& entry = entries_.at(number);
  if (entry.demoted) return;
  Withdraw(number, entry, false);
  entry.demoted = true;
  Insert(number, entry);
}

void AdmissionQueue::SetAlarm(QueueNumber number, TimePoint alarm) {
  Entry& entry = entries_.at(number);
  alarms_.erase({entry.request.alarm, number});
  entry.request.alarm = alarm;
  alarms_.emplace(alarm, number);
}

std::optional<QueueNumber> AdmissionQueue::Due(TimePoint now) const {
  if (alarms_.empty() || alarms_.begin()->first > now) return std::nullopt;
  return alarms_.begin()->second;
}

TimePoint AdmissionQueue::next_alarm() const {
  return alarms_.empty() ? TimePoint::max() : alarms_.begin()->first;
}

void AdmissionQueue::Charge(int32_t priority, const std::string& tenant, int64_t tokens) {
  const auto lane = lanes_.find({priority, false});
  if (lane == lanes_.end()) return;
  const auto found = lane->second.tenants.find(tenant);
  if (found == lane->second.tenants.end()) return;
  const bool waits = !found->second.waiting.empty();
  waits ? lane->second.turns.erase(TurnOf(found)) : lane->second.resting.erase(found);
  found->second.start = std::max(lane->second.now, found->second.start + tokens);
  if (waits) {
    lane->second.turns.insert(TurnOf(found));
  } else {
    lane->second.resting.insert(found);
  }
}

int64_t AdmissionQueue::TokensAhead(QueueNumber number) const {
  const Entry& entry = entries_.at(number);
  int64_t ahead = 0;
  auto lane = lanes_.begin();
  for (; lane->first != KeyOf(entry); ++lane) ahead += lane->second.tokens;
  const Tenant& own = lane->second.tenants.at(entry.request.tenant);
  const TimePoint first = own.waiting.begin()->first;
  const TimePoint last = own.waiting.rbegin()->first;
  // As if those of its tenant were spread evenly between the first and the last that is due.
  double part = *own.waiting.begin() == Place{entry.request.due, number} ? 0 : 1;
  if (first < last) part = Seconds(entry.request.due - first) / Seconds(last - first);
  const int64_t own_ahead =
      std::llround(part * static_cast<double>(own.tokens - entry.request.tokens));
  const int64_t turn = own.start + own_ahead;
  ahead += own_ahead;
  for (const auto& [name, other] : lane->second.tenants) {
    if (&other == &own || other.waiting.empty()) continue;
    ahead += std::clamp<int64_t>(turn - other.start, 0, other.tokens);
  }
  return ahead;
}

std::vector<QueueNumber> AdmissionQueue::Numbers() const {
  std::vector<QueueNumber> numbers;
  for (const auto& [number, entry] : entries_) numbers.push_back(number);
  return numbers;
}

AdmissionQueue::Turn AdmissionQueue::TurnOf(TenantTable::iterator tenant) {
  const Place& first = *tenant->second.waiting.begin();
  return {tenant->second.start, first.first, first.second, tenant};
}

void AdmissionQueue::Insert(QueueNumber number, const Entry& entry) {
  Lane& lane = lanes_[KeyOf(entry)];
  const auto tenant = lane.tenants.try_emplace(entry.request.tenant).first;
  if (tenant->second.waiting.empty()) {
    lane.resting.erase(tenant);
    tenant->second.start = std::max(lane.now, tenant->second.start);
  } else {
    lane.turns.erase(TurnOf(tenant));
  }
  tenant->second.waiting.emplace(entry.request.due, number);
  tenant->second.tokens += entry.request.tokens;
  lane.tokens += entry.request.tokens;
  lane.turns.insert(TurnOf(tenant));
}

void AdmissionQueue::Withdraw(QueueNumber number, const Entry& entry, bool served) {
  const auto key = KeyOf(entry);
  Lane& lane = lanes_.at(key);
  const auto tenant = lane.tenants.find(entry.request.tenant);
  lane.turns.erase(TurnOf(tenant));
  tenant->second.waiting.erase({entry.request.due, number});
  tenant->second.tokens -= entry.request.tokens;
  lane.tokens -= entry.request.tokens;
  if (served) {
    lane.now = tenant->second.start;
    tenant->second.start += entry.request.tokens;
  }
  if (tenant->second.waiting.empty()) {
    lane.resting.insert(tenant);
  } else {
    lane.turns.insert(TurnOf(tenant));
  }
  if (lane.turns.empty()) {
    lanes_.erase(key);
    return;
  }
  // Whoever was served no more than others have been by now is as one that comes for the first
  // time.
  while (!lane.resting.empty() && (*lane.resting.begin())->second.start <= lane.now) {
    const auto rested = *lane.resting.begin();
    lane.resting.erase(lane.resting.begin());
    lane.tenants.erase(rested);
  }
}

void AdmissionQueue::Erase(QueueNumber number, bool served) {
  const auto entry = entries_.find(number);
  BATON_CHECK(entry != entries_.end());
  Withdraw(number, entry->second, served);
  tokens_ -= entry->second.request.tokens;
  alarms_.erase({entry->second.request.alarm, number});
  entries_.erase(entry);
}

std::optional<QueueNumber> AdmissionQueue::Displaced(const QueuedRequest& request) const {
  const auto& [key, lane] = *lanes_.rbegin();
  const auto most =
      std::max_element(lane.tenants.begin(), lane.tenants.end(), [](const auto& a, const auto& b) {
        return a.second.waiting.size() < b.second.waiting.size();
      });
  const QueueNumber last = most->second.waiting.rbegin()->second;
  if (LaneKey{request.priority, false} < key) return last;
  if (LaneKey{request.priority, false} > key) return std::nullopt;
  const auto own = lane.tenants.find(request.tenant);
  const size_t waiting = own == lane.tenants.end() ? 0 : own->second.waiting.size();
  return waiting + 1 < most->second.waiting.size() ? std::optional(last) : std::nullopt;
}

}  // namespace baton::router
