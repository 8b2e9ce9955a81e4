#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/api/scaling.h"
#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/request/request.h"

namespace baton::api {

/// Where the time of a request went until its first token.
struct RequestTimings {
  Duration ttft{};
  /// Part of it: what it waited for a worker to have room.
  Duration admission{};
  /// Stages of the hand-off from prefill to decode, in their order.
  struct Handoff {
    Duration reserve{};
    Duration queued{};
    Duration prefill{};
    Duration transfer{};
    Duration commit{};
  };
  /// Absent when one worker did both.
  std::optional<Handoff> handoff;
};

/// Why a request was not served that could have been at another time.
struct Refusal {
  /// A word for programs.
  std::string reason;
  /// When it is worth to ask again, as far as can be foretold; zero: nobody knows.
  Duration retry_after{};
};

/// Receives what a request produces. Calls come one at a time, on any thread, and must not block.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  /// Which workers serve the request, e.g. "prefill=p0 decode=d1" or "local=d1". Comes before the
  /// first token, and again, at any time before the last, when the request goes on at others.
  virtual void OnRoute(std::string route) = 0;
  /// Before the first token, of requests that ask for timings.
  virtual void OnTimings(const RequestTimings&) {}
  virtual void OnToken(TokenOutput output) = 0;
  /// More about the status of OnEnd, which follows.
  virtual void OnRefused(const Refusal&) {}
  /// The last call, exactly once: OK after a token with a finish reason, else why there is no more.
  virtual void OnEnd(Status status) = 0;
};

/// One of the things that have to be well.
struct ReadinessCheck {
  std::string name;
  /// Empty when it is.
  std::string problem;
};

struct Readiness {
  bool ready = false;
  /// Why not, in a sentence; empty when ready.
  std::string reason;
  /// What decides.
  std::vector<ReadinessCheck> checks = {};
};

/// What the HTTP surface asks of the router. *Threads*: thread-safe; nothing blocks.
class CompletionBackend {
 public:
  virtual ~CompletionBackend() = default;
  /// Starts a request; `request.id` is unique. A refusal comes through OnEnd: ResourceExhausted
  /// (429), Unavailable (503), InvalidArgument (400), DeadlineExceeded (504).
  virtual void Start(Request request, std::shared_ptr<CompletionSink> sink) = 0;
  /// Gives a request up, e.g. because its client is gone or a stop string matched. The sink may
  /// still get calls that were under way, and still gets OnEnd. Unknown ids are ignored.
  virtual void Cancel(const std::string& request_id) = 0;
  /// False when what serves requests has something to do and gets nothing done, so that only a
  /// restart helps.
  virtual bool Alive() const { return true; }
  /// Ready when a complete group can serve: prefill and decode, or mixed.
  virtual Readiness Ready() const = 0;
  /// What does not decide but may say why: whether workers can be looked for, and each worker; a
  /// moment old.
  virtual std::vector<ReadinessCheck> FleetChecks() const { return {}; }
  /// All metrics in the Prometheus text format, the workers' included.
  virtual std::string RenderMetrics() const = 0;
  /// The workers and what passes between them, as a JSON object; a moment old.
  virtual std::string RenderFleet() const = 0;
  /// Changes the roles of workers. `on_answer` hears, on any thread, how the change begins, or why
  /// nothing is done.
  virtual void Scale(const ScaleRequest&, std::function<void(Result<ScaleState>)> on_answer) {
    on_answer(Unimplemented("roles do not change here"));
  }
  /// How far the last change of roles is.
  virtual ScaleState Scaling() const { return {}; }
};

}  // namespace baton::api
