#include <thread>
#include <utility>

#include <pthread.h>

#include "router_core.h"

namespace baton::router {
namespace {

/// The longest the router's thread sleeps.
constexpr Duration kPulse = std::chrono::milliseconds(100);
/// How long calls that were cancelled may take to end.
constexpr Duration kEndOfCalls = std::chrono::seconds(2);

/// The router on a thread of its own.
class RouterThread final : public Router, private discovery::Listener {
 public:
  RouterThread(const RouterOptions& options, std::unique_ptr<RoutingPolicy> policy,
               std::unique_ptr<telemetry::TraceWriter> traces, telemetry::MetricRegistry& registry,
               Clock& clock, std::unique_ptr<discovery::Source> source)
      : clock_(clock),
        traces_(std::move(traces)),
        core_(options, std::move(policy), rpc::DialOverGrpc(options.tls), registry, clock,
              traces_.get()),
        source_(std::move(source)),
        thread_([this](const std::stop_token& stop) {
          pthread_setname_np(pthread_self(), "router");
          Run(stop);
        }) {
    if (source_) source_->Start(*this);
  }

  void Start(Request request, std::shared_ptr<api::CompletionSink> sink) override {
    core_.Start(std::move(request), std::move(sink));
  }
  void Cancel(const std::string& request_id) override { core_.Cancel(request_id); }
  bool Alive() const override { return core_.Alive(); }
  api::Readiness Ready() const override { return core_.Ready(); }
  std::vector<api::ReadinessCheck> FleetChecks() const override { return core_.FleetChecks(); }
  std::string RenderMetrics() const override { return core_.RenderMetrics(); }
  std::string RenderFleet() const override { return core_.RenderFleet(); }
  bool WaitReady(Duration timeout) override { return core_.WaitReady(timeout); }
  void Scale(const api::ScaleRequest& request,
             std::function<void(Result<api::ScaleState>)> on_answer) override {
    core_.Scale(request, std::move(on_answer));
  }
  api::ScaleState Scaling() const override { return core_.Scaling(); }
  int32_t RequestsUnderWay() const override { return core_.RequestsUnderWay(); }
  void DumpWork(const std::string& why) override { core_.DumpWork(why); }
  void Reconfigure(const RouterOptions& options, const std::optional<api::RoleCounts>& roles,
                   std::function<void(const Status&)> on_answer) override {
    core_.Reconfigure(options, roles, std::move(on_answer));
  }

 private:
  void OnPlaces(std::vector<discovery::Place> places) override {
    core_.SetPlaces(std::move(places));
  }
  void OnTrouble(Status trouble) override {
    core_.SetTrouble(trouble.ok() ? trouble : trouble.WithContext(source_->name()));
  }
  void Run(const std::stop_token& stop) {
    const std::stop_callback wake(stop, [this] { core_.Wake(); });
    while (!stop.stop_requested()) core_.Turn(kPulse);
    core_.Close();
    const TimePoint deadline = clock_.Now() + kEndOfCalls;
    while (!core_.idle() && clock_.Now() < deadline) core_.Turn(kPulse);
  }

  Clock& clock_;
  const std::unique_ptr<telemetry::TraceWriter> traces_;
  RouterCore core_;
  const std::unique_ptr<discovery::Source> source_;
  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<Router>> Router::Create(const RouterOptions& options,
                                               telemetry::MetricRegistry& registry, Clock& clock,
                                               std::unique_ptr<discovery::Source> source) {
  BATON_ASSIGN_OR_RETURN(auto policy, RoutingPolicy::Make(options.policy, options.prefill_policy));
  std::unique_ptr<telemetry::TraceWriter> traces;
  if (!options.trace.folder.empty()) {
    BATON_ASSIGN_OR_RETURN(traces, telemetry::TraceWriter::Create(options.trace, registry));
  }
  return std::unique_ptr<Router>(std::make_unique<RouterThread>(
      options, std::move(policy), std::move(traces), registry, clock, std::move(source)));
}

}  // namespace baton::router
