#include "admission.h"

#include <algorithm>
#include <utility>

#include "baton/base/units.h"

namespace baton::router {
namespace {

/// A request without an SLO is taken as one that wants its first token within this.
constexpr Duration kPatience = std::chrono::seconds(10);
/// What an output token counts against its tenant, in prompt tokens.
constexpr int64_t kOutputWeight = 2;
/// Of a drain rate: weight of the past against the newest request, and how many make one known.
constexpr double kKeep = 0.95;
constexpr int32_t kEnoughSamples = 8;
constexpr char kShutdown[] = "shutdown";

}  // namespace

void DrainRate::Learn(int64_t tokens, Duration took) {
  tokens_ = kKeep * tokens_ + static_cast<double>(tokens);
  seconds_ = kKeep * seconds_ + Seconds(took);
  samples_ = std::min(samples_ + 1, kEnoughSamples);
}

Duration DrainRate::TimeFor(int64_t tokens) const {
  if (samples_ < kEnoughSamples) return {};
  const double seconds = static_cast<double>(tokens) * seconds_ / tokens_;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, Seconds(std::chrono::hours(24)))));
}

Admission::Admission(const RouterOptions& options, RouterMetrics& metrics, Links links)
    : options_(options),
      metrics_(metrics),
      links_(std::move(links)),
      queue_(static_cast<size_t>(options.queued)) {}

void Admission::SetOptions(const RouterOptions& options) {
  options_ = options;
  queue_.SetCapacity(static_cast<size_t>(options.queued));
}

int64_t Admission::Cost(int64_t prompt_tokens, int64_t output_tokens) {
  return std::max<int64_t>(1, prompt_tokens + kOutputWeight * output_tokens);
}

bool Admission::Hurries(const RoutedRequest& routed) const {
  return options_.overload != Overload::kQueue && routed.slo.ttft > Duration::zero();
}

Admission::Terms Admission::TermsOf(QueueNumber number) const {
  if (queue_.demoted(number)) return Terms::kUnqueued;
  return Hurries(*entries_.at(number).routed) ? Terms::kInTime : Terms::kAnywhere;
}

void Admission::Add(Routed routed, TimePoint now) {
  if (!closed_.ok()) return links_.refuse(routed, {.reason = kShutdown}, closed_);
  const Duration ttft = routed->slo.ttft > Duration::zero() ? routed->slo.ttft : kPatience;
  const TimePoint expires = routed->arrived() + options_.queue_wait;
  const AdmissionQueue::Added added = queue_.Add({.tenant = routed->request.tenant,
                                                  .priority = routed->request.priority,
                                                  .due = routed->arrived() + ttft,
                                                  .tokens = routed->cost,
                                                  .alarm = expires});
  const api::Refusal full{.reason = "queue_full", .retry_after = rate_.TimeFor(queue_.tokens())};
  const Status status = ResourceExhausted(std::to_string(options_.queued) +
                                          " requests wait already, the most that may");
  if (added.displaced) {
    links_.refuse(Forget(*added.displaced), full, status);
  }
  if (!added.number) return links_.refuse(routed, full, status);
  metrics_.CountQueued(routed->request.priority, 1);
  numbers_[routed->request.id] = *added.number;
  entries_.emplace(*added.number, Entry{.routed = std::move(routed), .expires = expires});
  Run(now);
  if (entries_.contains(*added.number)) Judge(*added.number, now);
}

void Admission::Judge(QueueNumber number, TimePoint now) {
  const RoutedRequest& routed = *entries_.at(number).routed;
  if (!Hurries(routed)) return;
  const Outlook outlook = links_.outlook(routed.request);
  const Duration wait = rate_.TimeFor(queue_.TokensAhead(number));
  const TimePoint due = routed.arrived() + routed.slo.ttft;
  if (now + wait + outlook.ttft > due) return TooLate(number, now + wait + outlook.ttft - due);
  queue_.SetAlarm(number, std::min(queue_.Get(number).alarm, due - outlook.prefill));
}

void Admission::TooLate(QueueNumber number, Duration late) {
  Entry& entry = entries_.at(number);
  if (options_.overload == Overload::kDegrade) {
    queue_.Demote(number);
    queue_.SetAlarm(number, entry.expires);
    return;
  }
  const RoutedRequest& routed = *entry.routed;
  Refuse(number, {.reason = "slo_unattainable", .retry_after = late},
         ResourceExhausted("the first token would come later than within " +
                           FormatMs(routed.slo.ttft) + ", as is wished"));
}

void Admission::Run(TimePoint now) {
  if (queue_.empty()) return;
  Expire(now);
  while (const auto first = queue_.First()) {
    const uint64_t version = links_.room_version();
    if (no_room_ == version) break;
    if (!links_.has_room()) {
      no_room_ = version;
      break;
    }
    const Terms terms = TermsOf(*first);
    if (terms == Terms::kUnqueued && queued_everywhere_ == version) break;
    const Attempt attempt = links_.send(entries_.at(*first).routed, terms);
    if (attempt.outcome == Attempt::Outcome::kNoWorker) break;
    if (attempt.outcome == Attempt::Outcome::kNoRoom) {
      queued_everywhere_ = version;
      break;
    }
    if (attempt.outcome == Attempt::Outcome::kTooLate) {
      TooLate(*first, attempt.late);
      continue;
    }
    if (waits_since_) {
      rate_.Learn(queue_.Get(*first).tokens, now - *waits_since_);
      waits_since_ = now;
    }
    queue_.Take();
    Forget(*first);
  }
  if (queue_.empty()) {
    waits_since_.reset();
  } else if (!waits_since_) {
    waits_since_ = now;
  }
}

std::vector<Admission::Routed> Admission::All() const {
  std::vector<Routed> all;
  for (const auto& [number, entry] : entries_) all.push_back(entry.routed);
  return all;
}

void Admission::Expire(TimePoint now) {
  if (impossible_since_ && now - *impossible_since_ >= options_.no_worker_wait) {
    for (const QueueNumber number : queue_.Numbers()) {
      Refuse(number, {.reason = "no_worker"}, possible_);
    }
  }
  while (const auto due = queue_.Due(now)) {
    const Entry& entry = entries_.at(*due);
    if (now < entry.expires) {
      TooLate(*due, Duration(1));
      continue;
    }
    Refuse(*due, {.reason = "queue_wait", .retry_after = rate_.TimeFor(queue_.tokens())},
           ResourceExhausted("no worker had room within " + FormatMs(options_.queue_wait)));
  }
}

void Admission::Refuse(QueueNumber number, const api::Refusal& refusal, const Status& status) {
  queue_.Remove(number);
  links_.refuse(Forget(number), refusal, status);
}

Admission::Routed Admission::Forget(QueueNumber number) {
  Routed routed = std::move(entries_.extract(number).mapped().routed);
  numbers_.erase(routed->request.id);
  metrics_.CountQueued(routed->request.priority, -1);
  return routed;
}

Admission::Routed Admission::Take(const std::string& id) {
  const auto found = numbers_.find(id);
  if (found == numbers_.end()) return nullptr;
  const QueueNumber number = found->second;
  queue_.Remove(number);
  return Forget(number);
}

TimePoint Admission::next() const {
  if (queue_.empty()) return TimePoint::max();
  if (!impossible_since_) return queue_.next_alarm();
  return std::min(queue_.next_alarm(), *impossible_since_ + options_.no_worker_wait);
}

void Admission::SetPossible(const Status& possible, TimePoint now) {
  possible_ = possible;
  if (possible.ok()) {
    impossible_since_.reset();
  } else if (!impossible_since_) {
    impossible_since_ = now;
  }
}

void Admission::Close(const Status& status) {
  closed_ = status;
  for (const QueueNumber number : queue_.Numbers()) {
    Refuse(number, {.reason = kShutdown}, status);
  }
}

void Admission::Settle(const RoutedRequest& routed) {
  queue_.Charge(
      routed.request.priority, routed.request.tenant,
      Cost(routed.prompt_tokens - routed.request.emitted_tokens, routed.tokens()) - routed.cost);
}

}  // namespace baton::router
