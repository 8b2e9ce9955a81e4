#include "baton/router/router.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <unordered_map>
#include <utility>

#include <pthread.h>

#include "baton/base/gate.h"
#include "baton/base/latest.h"
#include "baton/base/logging.h"
#include "baton/base/mailbox.h"
#include "fleet.h"
#include "metrics.h"
#include "routed_request.h"
#include "routing_policy.h"

namespace baton::router {
namespace {

constexpr size_t kMailboxCapacity = 1 << 18;
/// The longest the router's thread sleeps.
constexpr Duration kPulse = std::chrono::milliseconds(100);
/// How long calls that were cancelled may take to end.
constexpr Duration kEndOfCalls = std::chrono::seconds(2);

class RouterThread final : public Router {
 public:
  RouterThread(const RouterOptions& options, std::unique_ptr<RoutingPolicy> policy,
               telemetry::MetricRegistry& registry, Clock& clock)
      : options_(options),
        clock_(clock),
        registry_(registry),
        metrics_(registry),
        policy_(std::move(policy)),
        mailbox_(kMailboxCapacity),
        fleet_(options, clock, [this](std::function<void()> work) { Post(std::move(work)); }),
        thread_([this](const std::stop_token& stop) {
          pthread_setname_np(pthread_self(), "router");
          Run(stop);
        }) {}

  ~RouterThread() override {
    thread_.request_stop();
    Post([] {});
    thread_.join();
  }

  void Start(Request request, std::shared_ptr<http::CompletionSink> sink) override;
  void Cancel(const std::string& request_id) override;
  http::Readiness Ready() const override { return readiness_.Read(); }
  std::string RenderMetrics() const override;
  bool WaitReady(Duration timeout) override { return ready_.Wait(timeout); }
  int32_t RequestsUnderWay() const override { return under_way_; }

 private:
  void Run(const std::stop_token& stop);
  void ShutDown();
  TimePoint Turn();
  void PublishFleet();
  void Dispatch(const std::shared_ptr<RoutedRequest>& routed, Request request);
  void EndPrefill(RoutedRequest& routed);
  void Forget(const std::string& request_id);
  void Post(std::function<void()> work) {
    BATON_CHECK(mailbox_.TrySend(std::move(work))) << "the router's thread does not keep up";
  }

  const RouterOptions options_;
  Clock& clock_;
  telemetry::MetricRegistry& registry_;
  RouterMetrics metrics_;
  std::unique_ptr<RoutingPolicy> policy_;
  Mailbox<std::function<void()>> mailbox_;
  // What the router's thread last knew, for HTTP's threads.
  Latest<http::Readiness> readiness_{{.ready = false, .reason = "no worker is ready"}};
  Latest<std::vector<telemetry::MetricsSnapshot>> worker_metrics_;
  Gate ready_;
  std::atomic<int32_t> under_way_{0};

  // The router's thread owns these.
  Fleet fleet_;
  uint64_t published_version_ = ~uint64_t{0};
  std::unordered_map<std::string, std::shared_ptr<RoutedRequest>> requests_;
  std::jthread thread_;
};

void RouterThread::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const TimePoint next = std::min(Turn(), clock_.Now() + kPulse);
    if (auto work = mailbox_.Receive(next - clock_.Now())) (*work)();
  }
  ShutDown();
}

TimePoint RouterThread::Turn() {
  const TimePoint next = fleet_.Tick(clock_.Now());
  if (fleet_.version() != published_version_) PublishFleet();
  return next;
}

void RouterThread::PublishFleet() {
  published_version_ = fleet_.version();
  const auto choice = RoutingPolicy::Possible(fleet_.Views());
  readiness_.Post({.ready = choice.ok(), .reason = choice.message()});
  worker_metrics_.Post(fleet_.Metrics());
  if (choice.ok()) ready_.Open();
}

void RouterThread::ShutDown() {
  for (auto& [id, routed] : requests_) routed->call->Cancel();
  fleet_.Close();
  const TimePoint deadline = clock_.Now() + kEndOfCalls;
  while ((!requests_.empty() || !fleet_.idle()) && clock_.Now() < deadline) {
    if (auto work = mailbox_.Receive(kPulse)) (*work)();
  }
}

std::string RouterThread::RenderMetrics() const {
  std::vector<telemetry::MetricsSnapshot> snapshots = worker_metrics_.Read();
  snapshots.insert(snapshots.begin(), registry_.Collect());
  return telemetry::RenderPrometheus(snapshots);
}

void RouterThread::Start(Request request, std::shared_ptr<http::CompletionSink> sink) {
  if (++under_way_ > options_.requests) {
    --under_way_;
    metrics_.CountRequest("ResourceExhausted");
    sink->OnEnd(ResourceExhausted("the router has " + std::to_string(options_.requests) +
                                  " requests under way, its limit"));
    return;
  }
  auto routed = std::make_shared<RoutedRequest>(std::move(sink), clock_.Now(), clock_, metrics_);
  Post([this, routed = std::move(routed), request = std::move(request)]() mutable {
    Dispatch(routed, std::move(request));
  });
}

void RouterThread::Dispatch(const std::shared_ptr<RoutedRequest>& routed, Request request) {
  const auto choice = policy_->Choose(fleet_.Views());
  if (!choice.ok()) {
    --under_way_;
    return routed->OnEnd(choice.status());
  }
  const std::string id = request.id;
  routed->choice = *choice;
  routed->prefilling = !choice->prefill.empty();
  fleet_.AddLoad(choice->worker, 1);
  if (routed->prefilling) fleet_.AddLoad(choice->prefill, 1);
  routed->SetEvents(
      {.on_first_token = [this, routed] { Post([this, routed] { EndPrefill(*routed); }); },
       .on_end = [this, id] { Post([this, id] { Forget(id); }); }});
  requests_[id] = routed;
  routed->call =
      fleet_.Client(choice->worker)
          .Generate(
              {.request = std::move(request), .prefill_peer = choice->prefill},
              {.on_route = [routed](std::string route) { routed->OnRoute(std::move(route)); },
               .on_token = [routed](TokenOutput output) { routed->OnToken(std::move(output)); },
               .on_end = [routed](Status status) { routed->OnEnd(status); }});
}

void RouterThread::EndPrefill(RoutedRequest& routed) {
  if (std::exchange(routed.prefilling, false)) fleet_.AddLoad(routed.choice.prefill, -1);
}

void RouterThread::Forget(const std::string& request_id) {
  const auto it = requests_.find(request_id);
  if (it == requests_.end()) return;
  EndPrefill(*it->second);
  fleet_.AddLoad(it->second->choice.worker, -1);
  requests_.erase(it);
  --under_way_;
}

void RouterThread::Cancel(const std::string& request_id) {
  Post([this, request_id] {
    const auto it = requests_.find(request_id);
    if (it != requests_.end()) it->second->call->Cancel();
  });
}

}  // namespace

Result<std::unique_ptr<Router>> Router::Create(const RouterOptions& options,
                                               telemetry::MetricRegistry& registry, Clock& clock) {
  BATON_ASSIGN_OR_RETURN(auto policy, RoutingPolicy::Make(options.policy));
  return std::unique_ptr<Router>(
      std::make_unique<RouterThread>(options, std::move(policy), registry, clock));
}

}  // namespace baton::router
