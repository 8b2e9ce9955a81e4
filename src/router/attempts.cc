// A request from its dispatch to its end: one attempt after the other, until one brings the last
// token or the request is at fault.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "baton/base/logging.h"
#include "fallback.h"
#include "router_core.h"

namespace baton::router {
namespace {

/// In place of a fingerprint.
const std::string kAnyModel;

/// What the client is told when no attempt is left: what may well work later.
Status AsFinal(const Status& last, int32_t attempts) {
  std::string message = last.message();
  if (attempts > 1) message += "; given up after " + std::to_string(attempts) + " attempts";
  switch (last.code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kResourceExhausted:
    case StatusCode::kInvalidArgument: return Status(last.code(), std::move(message));
    default: return Unavailable(std::move(message));
  }
}

/// Null where there is none of that name.
const WorkerView* Find(const std::string& worker, const std::vector<WorkerView>& views) {
  const auto view = std::find_if(views.begin(), views.end(),
                                 [&](const WorkerView& other) { return other.name == worker; });
  return view == views.end() ? nullptr : &*view;
}

/// Why a stream has nobody to go on with although workers are there.
Status NobodyLeft(const RoutedRequest& routed) {
  return Unavailable(
      "no worker has the model that " + std::to_string(routed.tokens()) +
      " tokens came from (fingerprint " + routed.fingerprint +
      "), and with another one the answer would be neither's; before: " + routed.last.message());
}

}  // namespace

Admission::Attempt RouterCore::Dispatch(const Routed& routed, Admission::Terms terms) {
  using Terms = Admission::Terms;
  using Outcome = Admission::Attempt::Outcome;
  const std::vector<WorkerView> views = fleet_.Views(routed->request);
  auto choice = Choose(*routed, views);
  if (!choice.ok()) return {.outcome = Outcome::kNoWorker};
  const TimePoint now = clock_.Now();
  const Duration late = now - routed->arrived() + choice->ttft - routed->slo.ttft;
  // A worker that has nothing to do loses nothing by it, and may be faster than is known.
  if (terms == Terms::kInTime && choice->ttft > Duration::zero() && late > Duration::zero() &&
      fleet_.load(choice->worker) > 0) {
    return {.outcome = Outcome::kTooLate, .late = late};
  }
  const std::string& prefills = choice->prefill.empty() ? choice->worker : choice->prefill;
  if (terms == Terms::kUnqueued && Find(prefills, views)->busy)
    return {.outcome = Outcome::kNoRoom};
  routed->queued = now - routed->arrived();
  metrics_.queue_seconds.Observe(routed->queued);
  if (routed->trace) routed->trace->Stage("queue", now);
  requests_[routed->request.id] = routed;
  routed->budget.emplace(options_.retry, now);
  Send(routed, *std::move(choice), views);
  return {};
}

bool RouterCore::Attempt(const Routed& routed) {
  std::vector<WorkerView> views = fleet_.Views(routed->request);
  if (routed->tokens() > 0) {
    // Tokens of two models in one stream would be neither's answer.
    const size_t others = std::erase_if(
        views, [&](const WorkerView& worker) { return worker.fingerprint != routed->fingerprint; });
    if (views.empty() && others > 0 && !std::exchange(routed->bereft, true)) {
      routed->last = NobodyLeft(*routed);
    }
  }
  auto choice = Choose(*routed, views);
  if (!choice.ok()) {
    Park(routed);
    return false;
  }
  Send(routed, *std::move(choice), views);
  return true;
}

Result<Choice> RouterCore::Choose(RoutedRequest& routed, const std::vector<WorkerView>& views) {
  const Query query = QueryOf(routed);
  // What has failed as it was placed goes where it is best to.
  if (!routed.cause && (!routed.request.prefill_pick.endpoint.empty() || !own_worker_.empty())) {
    const TimePoint now = clock_.Now();
    PlacedChoice placed =
        ChoosePlaced(*policy_, views, query, routed.request.prefill_pick, own_worker_,
                     [&](const WorkerView& worker) { return breakers_.Lets(worker.name, now); });
    routed.pick = placed.pick;
    if (placed.choice) return *std::move(placed.choice);
  }
  if (breakers_.quiet() && routed.failed_at.empty()) {
    auto choice = policy_->Choose(views, query);
    if (choice.ok() || !was_ready_) return choice;
  }
  const TimePoint now = clock_.Now();
  const auto trust = [&](const WorkerView& worker) {
    const auto failed = routed.failed_at.find(worker.name);
    if (failed != routed.failed_at.end() && failed->second == worker.epoch) return Trust::kFailed;
    return breakers_.Lets(worker.name, now) ? Trust::kFull : Trust::kBroken;
  };
  // Who has nothing yet need not wait where all are full.
  const bool refusable = routed.cause == Cause::kFull && routed.tokens() == 0;
  return ChooseOrFallBack(*policy_, views, query, trust,
                          refusable ? Trust::kBroken : Trust::kFailed);
}

void RouterCore::Send(const Routed& routed, Choice choice, const std::vector<WorkerView>& views) {
  const TimePoint now = clock_.Now();
  if (const auto pick = std::exchange(routed->pick, std::nullopt)) {
    metrics_.CountPick(std::string(PickOutcomeName(*pick)));
  }
  if (routed->cause) choice.reason = routed->tokens() > 0 ? "resume" : "retry";
  // The answer about a prompt is large and of all its positions, so whoever streams the output
  // computes it: nothing of it passes between workers.
  if (routed->request.sampling.prompt_logprobs >= 0 && !choice.prefill.empty()) {
    choice.prefill.clear();
    choice.reason = "prompt_logprobs";
  }
  routed->choice = std::move(choice);
  routed->prompt_tokens = static_cast<int32_t>(routed->request.prompt.size());
  const WorkerView& worker = *Find(routed->choice.worker, views);
  const WorkerView* const prefill = Find(routed->choice.prefill, views);
  routed->worker_epoch = worker.epoch;
  routed->prefill_epoch = prefill == nullptr ? Epoch{} : prefill->epoch;
  routed->fingerprint = worker.fingerprint;
  routed->bereft = false;
  routed->lost.reset();
  routed->sent = now;
  routed->budget->OnSent(now);
  breakers_.OnSent(routed->choice.worker, now);
  if (!routed->choice.prefill.empty()) breakers_.OnSent(routed->choice.prefill, now);
  BeginPrefill(*routed, views);
  if (routed->trace) {
    routed->trace->Stage(routed->cause ? "wait" : "route", now);
    std::vector<AskedWorker> asked = {{worker.name, std::string(RoleName(worker.role))}};
    if (prefill != nullptr) asked.push_back({prefill->name, std::string(RoleName(prefill->role))});
    routed->trace->OnSent(now, std::move(asked));
  }
  const std::string& id = routed->request.id;
  routed->BeginAttempt(
      {.on_first_token = [this, routed] { Post([this, routed] { BeginDecode(*routed); }); },
       .on_finished = [this, id] { Post([this, id] { Forget(id); }); },
       .on_failed =
           [this, routed](Status status) {
             Post([this, routed, status = std::move(status)] { OnAttemptFailed(routed, status); });
           }});
  rpc::GenerateCall call{.request = std::move(routed->request),
                         .prefill_peer = routed->choice.prefill,
                         .reason = routed->choice.reason};
  routed->call =
      fleet_.Client(routed->choice.worker)
          .Generate(
              call,
              {.on_route = [routed](std::string route) { routed->OnRoute(std::move(route)); },
               .on_token = [routed](TokenOutput output) { routed->OnToken(std::move(output)); },
               .on_report =
                   [routed](rpc::GenerateReport report) { routed->OnReport(std::move(report)); },
               .on_end = [routed](Status status) { routed->OnCallEnd(status); }});
  routed->request = std::move(call.request);
}

/// A lost worker may be one that is merely silent, whose calls would not end by themselves. What
/// becomes of a prefill worker that is gone the decode worker notices; not that it is stuck.
void RouterCore::Lose(const std::string& worker, const Status& status) {
  const bool stuck = status.code() == StatusCode::kDeadlineExceeded;
  int64_t count = 0;
  for (auto& [id, routed] : requests_) {
    if (!routed->call || routed->lost) continue;
    const bool prefills =
        routed->choice.prefill == worker && routed->phase == RoutedRequest::Phase::kPrefill;
    if (routed->choice.worker != worker && !(stuck && prefills)) continue;
    const bool generates = routed->choice.worker == worker;
    if (stuck) {
      BATON_LOG(Warning) << "worker " << worker << " is stuck with " << Describe(*routed);
    }
    routed->lost_cause = !generates ? Cause::kPeer : stuck ? Cause::kStuck : Cause::kLost;
    routed->lost = generates ? status : status.WithContext("prefill worker " + worker);
    routed->call->Cancel();
    ++count;
  }
  if (count > 0) {
    BATON_LOG(Info) << count << " requests of worker " << worker << " are to go on elsewhere";
  }
}

void RouterCore::OnAttemptFailed(const Routed& routed, const Status& status) {
  const bool awaited_prefill =
      !routed->choice.prefill.empty() && routed->phase == RoutedRequest::Phase::kPrefill;
  EndAttempt(*routed);
  const int64_t tokens = routed->TakeEmitted();
  const Status end = routed->lost.value_or(status);
  routed->last = end.WithContext("worker " + routed->choice.worker);
  if (routed->cancelled || closed_) {
    breakers_.OnDropped(routed->choice.worker);
    breakers_.OnDropped(routed->choice.prefill);
    return End(routed, routed->cancelled ? Cancelled(routed->last.message()) : routed->last);
  }
  const bool taken = routed->tokens() > 0 || routed->choice.fallback;
  const Verdict verdict =
      Judge({.status = end,
             .given_up = routed->lost ? std::optional(routed->lost_cause) : std::nullopt,
             .awaits_prefill = awaited_prefill,
             .in_order = taken && !routed->faulted});
  Blame(*routed, verdict);
  if (!verdict.again) return End(routed, routed->last);
  const TimePoint now = clock_.Now();
  routed->faulted |= verdict.of_request;
  routed->cause = verdict.cause;
  routed->budget->OnFailed(now, tokens);
  const std::optional<TimePoint> next = routed->budget->Next();
  if (!next) return GiveUp(routed);
  const std::string cause(CauseName(verdict.cause));
  routed->tokens() > 0 ? metrics_.CountResume(cause) : metrics_.CountRetry(cause);
  if (routed->trace) {
    routed->trace->Stage("ended: " + cause, now, {{"tokens", routed->tokens()}});
  }
  BATON_LOG(Debug) << routed->subject() << ": goes on after " << routed->tokens()
                   << " tokens: " << routed->last.message();
  if (*next <= now) {
    Attempt(routed);
  } else {
    waiting_.emplace(*next, routed);
  }
}

void RouterCore::Blame(RoutedRequest& routed, const Verdict& verdict) {
  const std::string& worker = routed.choice.worker;
  const std::string& prefill = routed.choice.prefill;
  const std::string& blamed = verdict.blames_prefill ? prefill : worker;
  const bool fault =
      !verdict.of_request && verdict.cause != Cause::kDrain && verdict.cause != Cause::kFull;
  for (const std::string& name : {worker, prefill}) {
    if (name.empty()) continue;
    if (fault && name == blamed) {
      breakers_.OnFailed(name, routed.sent, clock_.Now());
    } else {
      breakers_.OnDropped(name);
    }
  }
  routed.failed_at[blamed] = verdict.blames_prefill ? routed.prefill_epoch : routed.worker_epoch;
}

void RouterCore::Park(const Routed& routed) {
  if (routed->cause == Cause::kFull && routed->tokens() == 0) return GiveUp(routed);
  const auto next = routed->budget->NextLook(clock_.Now());
  if (!next) return GiveUp(routed);
  waiting_.emplace(*next, routed);
}

TimePoint RouterCore::AttemptDue(TimePoint now) {
  std::vector<Routed> due;
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    due.push_back(waiting_.extract(waiting_.begin()).mapped());
  }
  // Where one finds nobody, the others that may go to the same do not either.
  std::set<std::string> bereft;
  for (const Routed& routed : due) {
    const auto it = requests_.find(routed->request.id);
    if (it == requests_.end() || it->second != routed || routed->call) continue;
    const std::string& needs = routed->tokens() > 0 ? routed->fingerprint : kAnyModel;
    if (bereft.contains(needs) || bereft.contains(kAnyModel)) {
      Park(routed);
    } else if (!Attempt(routed)) {
      bereft.insert(needs);
    }
  }
  return waiting_.empty() ? TimePoint::max() : waiting_.begin()->first;
}

void RouterCore::GiveUp(const Routed& routed) {
  End(routed, AsFinal(routed->last, routed->attempts));
}

void RouterCore::End(const Routed& routed, Status status) {
  Forget(routed->request.id);
  routed->Finish(std::move(status));
}

}  // namespace baton::router
