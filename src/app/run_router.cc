#include <chrono>
#include <future>
#include <optional>
#include <utility>

#include "baton/app/commands.h"
#include "baton/app/config_watch.h"
#include "baton/app/notify.h"
#include "baton/app/options.h"
#include "baton/app/stop_on_signal.h"
#include "baton/base/gate.h"
#include "baton/base/logging.h"
#include "baton/grpc/grpc_server.h"
#include "baton/http/http_server.h"
#include "baton/router/router.h"
#include "baton/telemetry/metrics.h"
#include "router_parts.h"

namespace baton::app {
namespace {

/// How often it is looked whether a stop was asked for, and said that the router still waits.
constexpr Duration kPulse = std::chrono::milliseconds(100);
constexpr Duration kReminder = std::chrono::seconds(10);

/// Makes the dumps that are asked for. *Threads*: lives on one thread.
class Dumps {
 public:
  Dumps(const StopOnSignal& signals, router::Router& router) : signals_(signals), router_(router) {}
  void Look() {
    const int asked = signals_.dumps();
    if (std::exchange(made_, asked) != asked) router_.DumpWork("asked by SIGUSR1");
  }

 private:
  const StopOnSignal& signals_;
  router::Router& router_;
  int made_ = 0;
};

/// Waits until a complete group is ready. False when a stop was asked for first.
bool AwaitFleet(router::Router& router, Clock& clock, const std::stop_token& stop, Dumps& dumps) {
  TimePoint reminder = clock.Now() + kReminder;
  while (!stop.stop_requested()) {
    if (router.WaitReady(kPulse)) return true;
    dumps.Look();
    if (clock.Now() < reminder) continue;
    BATON_LOG(Info) << "not ready: " << router.Ready().reason;
    reminder = clock.Now() + kReminder;
  }
  return false;
}

/// Takes edits of the configuration's file, each whole or not at all.
/// *Threads*: lives on one thread.
class LiveConfig {
 public:
  /// All of it outlives this.
  struct Parts {
    const CommandLine& command;
    router::Router& router;
    api::Frontend& frontend;
    telemetry::MetricRegistry& metrics;
  };

  LiveConfig(const Parts& parts, const config::Loaded& in_force, Clock& clock)
      : parts_(parts), watch_(parts.command.sources, in_force, clock) {
    for (const char* outcome : {"applied", "refused"}) Count(outcome, 0);
  }

  void Look() {
    if (const auto edit = watch_.Look()) {
      waiting_.reset();
      if (edit->ok()) {
        waiting_ = **edit;
      } else {
        Refuse(edit->status());
      }
    }
    if (waiting_) Apply();
  }

 private:
  void Apply() {
    const Status status = Take(*waiting_);
    if (status.code() == StatusCode::kUnavailable) {
      if (status.message() != last_wait_) {
        BATON_LOG(Info) << "the edit of " << file() << " waits: " << status.message();
      }
      last_wait_ = status.message();
      return;
    }
    last_wait_.clear();
    const config::Loaded edited = *std::exchange(waiting_, std::nullopt);
    if (!status.ok()) return Refuse(status);
    BATON_LOG(Info) << "took the edit of " << file() << ": "
                    << DescribeChanges(config::ChangesBetween(watch_.in_force(), edited));
    SetLogLevel(edited.config.log_level);
    parts_.frontend.running().SetLimit(edited.config.limits.concurrent_requests);
    watch_.Accept(edited);
    Count("applied", 1);
  }

  /// What the router has to agree to.
  Status Take(const config::Loaded& edited) {
    BATON_ASSIGN_OR_RETURN(const router::RouterOptions options,
                           ToRouterOptions(edited.config, parts_.command.router_workers));
    const api::RoleCounts wanted = CountsOf(edited.config.workers);
    const bool roles = wanted != CountsOf(watch_.in_force().config.workers);
    std::promise<Status> answer;
    parts_.router.Reconfigure(options, roles ? std::optional(wanted) : std::nullopt,
                              [&](const Status& status) { answer.set_value(status); });
    return answer.get_future().get();
  }

  void Refuse(const Status& status) {
    BATON_LOG(Error) << "the edit of " << file()
                     << " is refused, all stays as it is: " << status.message();
    Count("refused", 1);
  }

  void Count(const std::string& outcome, uint64_t count) {
    parts_.metrics
        .AddCounter("baton_config_reloads_total",
                    "Edits of the configuration's file while the server ran, and whether they were "
                    "applied",
                    {{"outcome", outcome}})
        .Add(count);
  }

  static api::RoleCounts CountsOf(const config::Workers& workers) {
    return {.prefill = workers.prefill.count,
            .decode = workers.decode.count,
            .mixed = workers.mixed.count};
  }
  const std::string& file() const { return parts_.command.sources.file; }

  const Parts parts_;
  ConfigWatch watch_;
  /// One that the router cannot take yet.
  std::optional<config::Loaded> waiting_;
  std::string last_wait_;
};

void AwaitStop(LiveConfig& live, Dumps& dumps, const std::stop_token& stop) {
  Gate stopped;
  const std::stop_callback open(stop, [&] { stopped.Open(); });
  while (!stopped.Wait(ConfigWatch::kInterval)) {
    live.Look();
    dumps.Look();
  }
}

Status Serve(const CommandLine& command, const config::Loaded& loaded, Clock& clock,
             const StopOnSignal& signals) {
  const std::stop_token stop = signals.token();
  const config::Config& config = loaded.config;
  BATON_ASSIGN_OR_RETURN(const router::RouterOptions router_options,
                         ToRouterOptions(config, command.router_workers));
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<RouterParts> parts,
                         MakeRouterParts(config, router_options, clock));
  router::Router* const router = parts->router.get();
  api::Frontend* const frontend = parts->frontend.get();
  const http::HttpOptions http_options = ToHttpOptions(config);
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<http::HttpServer> server,
                         http::HttpServer::Start(http_options, *frontend, clock));
  const std::string url = (http_options.tls.empty() ? "http://" : "https://") + http_options.host +
                          ":" + std::to_string(server->port());
  BATON_LOG(Info) << "listening on " << url;
  if (!config.router.api_keys.empty() && http_options.tls.empty() &&
      !config::IsLoopback(http_options.host)) {
    BATON_LOG(Warning) << "keys come over the network as they are; set router.tls_certificate "
                          "unless a proxy before this router speaks TLS";
  }
  std::unique_ptr<grpc::GrpcServer> grpc_server;
  if (config.router.grpc_port != 0) {
    const grpc::GrpcOptions grpc_options = ToGrpcOptions(config);
    BATON_ASSIGN_OR_RETURN(grpc_server, grpc::GrpcServer::Start(grpc_options, *frontend));
    BATON_LOG(Info) << "gRPC on " << grpc_options.host << ":" << grpc_server->port();
  }
  std::unique_ptr<http::HttpServer> admin;
  if (config.router.admin_port != 0) {
    const http::HttpOptions admin_options = ToAdminOptions(config);
    BATON_ASSIGN_OR_RETURN(admin, http::HttpServer::Start(admin_options, *frontend, clock));
    BATON_LOG(Info) << "operators' port on http://" << admin_options.host << ":" << admin->port();
  }
  Dumps dumps(signals, *router);
  if (AwaitFleet(*router, clock, stop, dumps)) {
    BATON_LOG(Info) << "ready";
    NotifyReady(url);
    LiveConfig live({command, *router, *frontend, parts->metrics}, loaded, clock);
    AwaitStop(live, dumps, stop);
  }
  if (!server->Drain()) {
    BATON_LOG(Warning) << router->RequestsUnderWay()
                       << " completions are cut off: " << Seconds(http_options.drain_grace)
                       << " s for draining have passed";
  }
  if (grpc_server) grpc_server->Stop();
  server->Stop();
  return OkStatus();
}

}  // namespace

int RunRouter(const CommandLine& command, const config::Loaded& loaded, Clock& clock) {
  SetLogName("router");
  const StopOnSignal signals(clock);
  const Status status = Serve(command, loaded, clock, signals);
  if (status.ok()) return kExitOk;
  BATON_LOG(Error) << status.message();
  return ExitCode(status);
}

}  // namespace baton::app
