#include "router_core.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <tuple>
#include <utility>

#include "baton/base/logging.h"
#include "readiness.h"

namespace baton::router {
namespace {

constexpr size_t kMailboxCapacity = 1 << 18;
/// Weight of the newest request in a mean.
constexpr double kNewest = 0.02;
/// Between two looks at the fleet for those who watch it.
constexpr Duration kStatePeriod = std::chrono::milliseconds(200);

}  // namespace

RouterCore::RouterCore(const RouterOptions& options, std::unique_ptr<RoutingPolicy> policy,
                       const rpc::DialWorker& dial, telemetry::MetricRegistry& registry,
                       Clock& clock, telemetry::TraceWriter* traces)
    : clock_(clock),
      traces_(traces),
      tracer_(options.tracer),
      registry_(registry),
      metrics_(registry),
      policy_(std::move(policy)),
      breakers_(options.breaker, metrics_),
      mailbox_(kMailboxCapacity),
      progress_timeout_(options.progress_timeout),
      last_turn_(clock.Now()),
      most_requests_(options.requests),
      trace_every_(options.trace_every),
      own_worker_(options.own_worker),
      options_(options),
      fleet_(
          options, dial, metrics_, clock,
          [this](std::function<void()> work) { Post(std::move(work)); },
          [this](const std::string& worker, const Status& status) { Lose(worker, status); }),
      scaling_(fleet_, metrics_, clock),
      auto_ratio_(fleet_, scaling_, metrics_),
      admission_(options, metrics_, AdmissionLinks()) {
  SetRatioOptions();
}

void RouterCore::SetRatioOptions() {
  auto_ratio_.SetOptions({.on = options_.auto_ratio,
                          .dwell = options_.ratio_dwell,
                          .by_cost = policy_->splits_by_cost()});
}

bool RouterCore::Turn(Duration patience) {
  const TimePoint now = clock_.Now();
  last_turn_ = now;
  TimePoint next = std::min(fleet_.Tick(now), scaling_.Tick(now));
  next = std::min(next, auto_ratio_.Tick(now, arrivals_.PerSecond(now)));
  for (const std::string& worker : fleet_.TakeForgotten(now)) {
    breakers_.Forget(worker);
    metrics_.ForgetWorker(worker);
  }
  if (fleet_.version() != published_version_) PublishFleet();
  if (now >= next_state_) PublishState(now);
  next = std::min(next, AttemptDue(now));
  PublishScaling();
  admission_.Run(now);
  next = std::min(next, std::max(now, admission_.next()));
  auto work = mailbox_.Receive(std::min(next, now + patience) - now);
  if (work) (*work)();
  return work.has_value();
}

void RouterCore::PublishScaling() {
  if (std::exchange(published_scaling_, scaling_.version()) == scaling_.version()) return;
  scale_state_.Post(scaling_.state());
}

void RouterCore::PublishFleet() {
  published_version_ = fleet_.version();
  const std::vector<WorkerView> views = fleet_.Views();
  const Status possible = RoutingPolicy::Possible(views);
  fleet_.CountWorkers();
  metrics_.ready.Set(possible.ok() ? 1 : 0);
  readiness_.Post(ReadinessOf(views, trouble_));
  admission_.SetPossible(possible, clock_.Now());
  worker_metrics_.Post(fleet_.Metrics(own_worker_));
  if (!possible.ok()) return;
  was_ready_ = true;
  ready_.Open();
}

void RouterCore::PublishState(TimePoint now) {
  next_state_ = now + kStatePeriod;
  state_.Post({.at = now,
               .workers = fleet_.State(),
               .discovery_problem = trouble_.message(),
               .flows = scoreboard_.Flows(now),
               .ttft = scoreboard_.ttft.Read(now),
               .tpot = scoreboard_.tpot.Read(now),
               .auto_ratio = auto_ratio_.on(),
               .ratio_decision = auto_ratio_.decision()});
}

void RouterCore::DumpWork(const std::string& why) {
  Post([this, why] {
    BATON_LOG(Info) << "dump: " << why << "; queued=" << admission_.size()
                    << " sent=" << requests_.size();
    for (const Routed& routed : admission_.All()) BATON_LOG(Info) << "dump: " << Describe(*routed);
    for (const auto& [id, routed] : requests_) BATON_LOG(Info) << "dump: " << Describe(*routed);
    BATON_LOG(Info) << "dump: end";
  });
}

std::string RouterCore::Describe(const RoutedRequest& routed) const {
  using Phase = RoutedRequest::Phase;
  const TimePoint now = clock_.Now();
  const char* stage = routed.attempts == 0              ? "queue"
                      : !routed.call                    ? "wait"
                      : routed.phase == Phase::kPrefill ? "prefill"
                                                        : "decode";
  std::ostringstream out;
  out << "request=" << routed.request.id;
  const TraceId& trace = routed.trace_context.trace;
  if (trace.valid()) out << " trace_id=" << trace.ToString();
  out << " stage=" << stage << " age_s=" << Seconds(now - routed.arrived())
      << " prompt_tokens=" << routed.request.prompt.size() << " attempts=" << routed.attempts;
  if (routed.attempts == 0) return out.str();
  out << " worker=" << routed.choice.worker;
  if (!routed.choice.prefill.empty()) out << " prefill=" << routed.choice.prefill;
  out << " sent_s=" << Seconds(now - routed.sent);
  return out.str();
}

void RouterCore::SetPlaces(std::vector<discovery::Place> places) {
  Post([this, places = std::move(places)] {
    if (!closed_) fleet_.SetPlaces(places);
  });
}

void RouterCore::SetTrouble(Status trouble) {
  Post([this, trouble = std::move(trouble)] {
    if (trouble.ok() != trouble_.ok() || trouble.message() != trouble_.message()) {
      if (trouble.ok()) {
        BATON_LOG(Info) << "workers can be looked for again";
      } else {
        BATON_LOG(Warning) << "the workers found last stay: " << trouble.message();
      }
    }
    metrics_.discovery_trouble.Set(trouble.ok() ? 0 : 1);
    trouble_ = trouble;
    published_version_ = ~uint64_t{0};
  });
}

void RouterCore::Close() {
  closed_ = true;
  for (const auto& [id, routed] : std::map(requests_.begin(), requests_.end())) {
    routed->call ? routed->call->Cancel() : End(routed, Unavailable("the router is shutting down"));
  }
  admission_.Close(Unavailable("the router is shutting down"));
  fleet_.Close();
}

std::string RouterCore::RenderMetrics() const {
  std::vector<telemetry::MetricsSnapshot> snapshots = worker_metrics_.Read();
  telemetry::MetricsSnapshot router = registry_.Collect();
  if (!own_worker_.empty()) ShowQueueAsWorkers(router, snapshots);
  snapshots.insert(snapshots.begin(), std::move(router));
  return telemetry::RenderPrometheus(snapshots);
}

std::string RouterCore::RenderFleet() const {
  return FleetJson(state_.Read(), registry_.Collect());
}

std::vector<api::ReadinessCheck> RouterCore::FleetChecks() const {
  const FleetState state = state_.Read();
  std::vector<api::ReadinessCheck> checks = {{"discovery", state.discovery_problem}};
  const auto workers = ChecksOf(state.workers);
  checks.insert(checks.end(), workers.begin(), workers.end());
  return checks;
}

bool RouterCore::Written(const Request& request) {
  if (traces_ == nullptr) return false;
  const uint64_t number = started_.fetch_add(1, std::memory_order_relaxed);
  const auto every = static_cast<uint64_t>(trace_every_.load());
  return request.trace || (every > 0 && number % every == 0);
}

void RouterCore::Start(Request request, std::shared_ptr<api::CompletionSink> sink) {
  const int32_t most = most_requests_;
  if (++under_way_ > most) {
    --under_way_;
    metrics_.CountRequest("ResourceExhausted");
    metrics_.CountRefusal("requests");
    sink->OnEnd(ResourceExhausted("the router has " + std::to_string(most) +
                                  " requests under way, its limit"));
    return;
  }
  const TimePoint arrived = clock_.Now();
  auto routed = std::make_shared<RoutedRequest>(std::move(sink), arrived, clock_, metrics_);
  routed->id = request.id;
  routed->trace_context = request.context;
  routed->timings = request.timings;
  const RequestTrace::Takers takers{.writer = Written(request) ? traces_ : nullptr,
                                    .tracer = request.context.sampled ? tracer_ : nullptr};
  request.trace = takers.writer != nullptr || takers.tracer != nullptr;
  if (request.trace) {
    routed->trace = std::make_unique<RequestTrace>(request.id, arrived, request.context, takers);
    request.context = routed->trace->context();
  }
  routed->request = std::move(request);
  Post([this, routed = std::move(routed)]() mutable { Admit(std::move(routed)); });
}

Admission::Links RouterCore::AdmissionLinks() {
  return {.has_room = [this] { return fleet_.HasRoom(policy_->splits_by_cost()); },
          .room_version = [this] { return fleet_.room_version(); },
          .outlook =
              [this](const Request& request) {
                return OutlookOf(fleet_.Views(request),
                                 static_cast<int64_t>(request.prompt.size()));
              },
          .send = [this](const Routed& routed,
                         Admission::Terms terms) { return Dispatch(routed, terms); },
          .refuse = [this](const Routed& routed, const api::Refusal& refusal,
                           const Status& status) { Refuse(*routed, refusal, status); }};
}

void RouterCore::Admit(Routed routed) {
  Request& request = routed->request;
  const TimePoint now = clock_.Now();
  arrivals_.Count(now);
  if (request.slo.ttft == Duration::zero()) request.slo.ttft = options_.slo.ttft;
  if (request.slo.tpot == Duration::zero()) request.slo.tpot = options_.slo.tpot;
  routed->slo = request.slo;
  routed->cost =
      Admission::Cost(static_cast<int64_t>(request.prompt.size()), ExpectedTokens(request));
  admission_.Add(std::move(routed), now);
}

void RouterCore::Refuse(RoutedRequest& routed, const api::Refusal& refusal, const Status& status) {
  --under_way_;
  routed.Refuse(refusal, status);
}

Query RouterCore::QueryOf(const RoutedRequest& routed) const {
  const Request& request = routed.request;
  Query query{.session = request.session,
              .prompt_tokens = static_cast<int32_t>(request.prompt.size()),
              .output_tokens = ExpectedTokens(request),
              .slo = request.slo,
              .arrivals_per_s = arrivals_.PerSecond(clock_.Now())};
  query.wish = request.slo.ttft + query.output_tokens * request.slo.tpot;
  // Zero, which is none, once it is met or missed.
  const Duration passed = clock_.Now() - routed.arrived();
  query.slo.ttft = request.emitted_tokens > 0
                       ? Duration{}
                       : std::max(Duration::zero(), request.slo.ttft - passed);
  return query;
}

int64_t RouterCore::ExpectedTokens(const Request& request) const {
  const int32_t most = request.sampling.max_tokens - request.emitted_tokens;
  return std::clamp<int64_t>(std::llround(mean_output_tokens_), 1, std::max(1, most));
}

void RouterCore::BeginPrefill(RoutedRequest& routed, const std::vector<WorkerView>& views) {
  const Choice& choice = routed.choice;
  const std::string& where = choice.prefill.empty() ? choice.worker : choice.prefill;
  const auto view = std::find_if(views.begin(), views.end(),
                                 [&](const WorkerView& other) { return other.name == where; });
  routed.phase = RoutedRequest::Phase::kPrefill;
  routed.prefill = cost::PrefillShape(view->cached_tokens, routed.prompt_tokens);
  fleet_.AddLoad(choice.worker, 1);
  if (!choice.prefill.empty()) {
    fleet_.AddLoad(choice.prefill, 1);
    fleet_.Promise(choice.worker, routed.prompt_tokens);
  }
  fleet_.BeginComing(choice.worker, routed.prompt_tokens);
  fleet_.BeginPrefill(where, routed.prefill, routed.prompt_tokens);
  scoreboard_.BeginHandoff(choice, clock_.Now());
}

void RouterCore::BeginDecode(RoutedRequest& routed) {
  if (routed.phase != RoutedRequest::Phase::kPrefill) return;
  breakers_.OnServed(routed.choice.worker);
  if (!routed.choice.prefill.empty()) breakers_.OnServed(routed.choice.prefill);
  if (routed.request.emitted_tokens == 0) {
    scoreboard_.ttft.Add(clock_.Now(), routed.ttft(), routed.slo.ttft);
  }
  scoreboard_.Handed(routed.choice, routed.prompt_tokens);
  EndPhase(routed);
  routed.phase = RoutedRequest::Phase::kDecode;
  routed.context = routed.prompt_tokens + std::llround(mean_output_tokens_ / 2);
  fleet_.BeginDecode(routed.choice.worker, routed.context);
}

void RouterCore::EndPhase(RoutedRequest& routed) {
  const Choice& choice = routed.choice;
  switch (std::exchange(routed.phase, RoutedRequest::Phase::kNone)) {
    case RoutedRequest::Phase::kNone: break;
    case RoutedRequest::Phase::kPrefill:
      fleet_.EndComing(choice.worker, routed.prompt_tokens);
      fleet_.EndPrefill(choice.prefill.empty() ? choice.worker : choice.prefill, routed.prefill);
      if (!choice.prefill.empty()) fleet_.AddLoad(choice.prefill, -1);
      scoreboard_.EndHandoff(choice, clock_.Now());
      break;
    case RoutedRequest::Phase::kDecode: fleet_.EndDecode(choice.worker, routed.context); break;
  }
}

void RouterCore::EndAttempt(RoutedRequest& routed) {
  if (!std::exchange(routed.call, nullptr)) return;
  EndPhase(routed);
  fleet_.AddLoad(routed.choice.worker, -1);
}

void RouterCore::Forget(const std::string& request_id) {
  const auto it = requests_.find(request_id);
  if (it == requests_.end()) return;
  EndAttempt(*it->second);
  if (it->second->tokens() > 1) {
    scoreboard_.tpot.Add(clock_.Now(), it->second->tpot(), it->second->slo.tpot);
  }
  if (const int64_t tokens = it->second->tokens(); tokens > 0) {
    mean_output_tokens_ += kNewest * (static_cast<double>(tokens) - mean_output_tokens_);
    auto_ratio_.Add(clock_.Now(), {.prefill = it->second->prefill,
                                   .prompt_tokens = it->second->prompt_tokens,
                                   .output_tokens = tokens,
                                   .slo = it->second->slo});
  }
  admission_.Settle(*it->second);
  requests_.erase(it);
  --under_way_;
}

void RouterCore::Scale(const api::ScaleRequest& request,
                       std::function<void(Result<api::ScaleState>)> on_answer) {
  Post([this, request, on_answer = std::move(on_answer)] {
    const Status may = request.dry_run ? OkStatus() : MayScale(options_.auto_ratio);
    auto state = may.ok() ? scaling_.Begin(request, "scale") : may;
    PublishScaling();  // So that whoever asks next hears of it.
    on_answer(std::move(state));
  });
}

Status RouterCore::MayScale(bool auto_ratio) const {
  if (!auto_ratio) return OkStatus();
  return FailedPrecondition(
      "router.ratio is auto, so that the router chooses the roles and would undo this; with "
      "router.ratio: fixed in the configuration, which it takes while it runs, they are yours");
}

void RouterCore::Reconfigure(const RouterOptions& options,
                             const std::optional<api::RoleCounts>& roles,
                             std::function<void(const Status&)> on_answer) {
  Post([this, options, roles, on_answer = std::move(on_answer)] {
    const Status status = TakeOptions(options, roles);
    PublishScaling();
    on_answer(status);
  });
}

Status RouterCore::TakeOptions(const RouterOptions& options,
                               const std::optional<api::RoleCounts>& roles) {
  BATON_ASSIGN_OR_RETURN(auto policy, RoutingPolicy::Make(options.policy, options.prefill_policy));
  if (roles) {
    BATON_RETURN_IF_ERROR(MayScale(options.auto_ratio));
    if (scaling_.under_way()) return Unavailable("a change of roles is still under way");
    BATON_ASSIGN_OR_RETURN(const api::ScaleState begun,
                           scaling_.Begin({.wanted = *roles}, "configuration"));
  }
  const bool other_policy = std::tie(options.policy, options.prefill_policy) !=
                            std::tie(options_.policy, options_.prefill_policy);
  if (other_policy) policy_ = std::move(policy);
  options_.policy = options.policy;
  options_.prefill_policy = options.prefill_policy;
  options_.requests = most_requests_ = options.requests;
  options_.queued = options.queued;
  options_.queue_wait = options.queue_wait;
  options_.no_worker_wait = options.no_worker_wait;
  options_.worker_queue = options.worker_queue;
  options_.slo = options.slo;
  options_.overload = options.overload;
  options_.auto_ratio = options.auto_ratio;
  options_.ratio_dwell = options.ratio_dwell;
  options_.retry = options.retry;
  options_.trace_every = trace_every_ = options.trace_every;
  SetRatioOptions();
  fleet_.SetWorkerQueue(options.worker_queue);
  admission_.SetOptions(options_);
  return OkStatus();
}

void RouterCore::Cancel(const std::string& request_id) {
  Post([this, request_id] {
    const auto it = requests_.find(request_id);
    if (it == requests_.end()) {
      const auto waiting = admission_.Take(request_id);
      if (!waiting) return;
      --under_way_;
      return waiting->Finish(Cancelled("its client gave it up"));
    }
    const Routed routed = it->second;
    routed->cancelled = true;
    if (routed->call) return routed->call->Cancel();
    End(routed, Cancelled("its client gave it up"));
  });
}

}  // namespace baton::router
