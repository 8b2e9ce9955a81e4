#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/api/completion_backend.h"
#include "baton/api/scaling.h"
#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/discovery/source.h"
#include "baton/router/retry_options.h"
#include "baton/rpc/fleet_tls.h"
#include "baton/rpc/messages.h"
#include "baton/telemetry/metrics.h"
#include "baton/telemetry/trace_writer.h"
#include "baton/telemetry/tracer.h"

namespace baton::router {

/// What becomes of requests that can no longer have their first token within their SLO.
enum class Overload {
  /// They are refused.
  kRefuse,
  /// They go behind all of their priority that still can.
  kDegrade,
  /// They stay where they are.
  kQueue,
};

struct RouterOptions {
  /// Workers that belong to the fleet for good, by name and "host:port". Roles are asked of the
  /// workers themselves.
  std::vector<rpc::PeerAddress> workers;
  /// The worker of whose process this router is: it generates what comes here, and its metrics are
  /// all that are shown. Empty: none.
  std::string own_worker;
  /// What it shows them, and asks of them.
  rpc::FleetTls tls;
  /// How workers that generate are chosen: "cost", "least_loaded", "power_of_two", "prefix_aware"
  /// or "round_robin".
  std::string policy = "cost";
  /// How those that prefill for them are; empty: likewise.
  std::string prefill_policy;
  /// Most requests under way; further ones are refused with ResourceExhausted.
  int32_t requests = 1024;
  /// Most of them that wait for a worker to have room.
  int32_t queued = 1024;
  /// How long one may wait there, and how long all may wait for a worker while none is ready.
  Duration queue_wait = std::chrono::minutes(10);
  Duration no_worker_wait{};
  /// Work that a worker is given ahead.
  Duration worker_queue = std::chrono::milliseconds(50);
  /// Of requests that have none of their own.
  RequestSlo slo;
  Overload overload = Overload::kDegrade;
  /// The router gives workers other roles as the load changes, each time at least so long after the
  /// last.
  bool auto_ratio = false;
  Duration ratio_dwell = std::chrono::minutes(1);
  /// Between two attempts to reach a worker; doubles up to redial_max.
  std::chrono::milliseconds redial_min{20};
  std::chrono::milliseconds redial_max{250};
  /// A worker that sends no status for this long is taken for lost.
  std::chrono::milliseconds status_timeout{900};
  /// A worker that has work and gets no step done for this long is stuck.
  std::chrono::milliseconds progress_timeout{60000};
  RetryOptions retry;
  BreakerOptions breaker;
  /// Where traces of requests are written, and of which besides those that ask: every nth; 0: none.
  /// Without a folder no request is traced.
  telemetry::TraceWriterOptions trace;
  int32_t trace_every = 0;
  /// Takes the spans of requests that are sampled, and outlives the router; null: there are none.
  telemetry::Tracer* tracer = nullptr;
};

/// Knows the fleet, picks the workers of each request and relays their tokens.
/// *Threads*: thread-safe; all state lives on the router's own thread.
class Router : public api::CompletionBackend {
 public:
  /// `registry` and `clock` outlive the router; `source`, if any, finds workers beside those of the
  /// options. Fails with InvalidArgument for a bad option.
  static Result<std::unique_ptr<Router>> Create(const RouterOptions& options,
                                                telemetry::MetricRegistry& registry, Clock& clock,
                                                std::unique_ptr<discovery::Source> source = {});

  /// Returns when a complete group is ready, or false after `timeout`.
  virtual bool WaitReady(Duration timeout) = 0;
  /// Logs all requests under way, a line each, and why.
  virtual void DumpWork(const std::string& why) = 0;
  /// Requests under way, for draining.
  virtual int32_t RequestsUnderWay() const = 0;
  /// Takes what of `options` can change while it runs (policies, limits, the wait for room and for
  /// workers, SLO, overload, who chooses roles, retries, how often is traced) and, where `roles` are given, begins to
  /// change the workers' roles: all of it or, where `on_answer` hears an error, nothing. That is
  /// Unavailable where it can be tried again as it is. `on_answer` is called on any thread.
  virtual void Reconfigure(const RouterOptions& options,
                           const std::optional<api::RoleCounts>& roles,
                           std::function<void(const Status&)> on_answer) = 0;
};

}  // namespace baton::router
