#pragma once

#include <map>
#include <string>

#include "baton/base/clock.h"
#include "baton/router/retry_options.h"
#include "metrics.h"

namespace baton::router {

/// Keeps requests from workers at which one after the other fails, for a growing time; then one
/// request may try. By name, so that a worker that fails and is started again stays known.
/// *Threads*: lives on the router's thread.
class Breakers {
 public:
  Breakers(const BreakerOptions& options, RouterMetrics& metrics)
      : options_(options), metrics_(metrics) {}

  /// All let everybody through, so that nobody need ask.
  bool quiet() const { return not_closed_ == 0; }
  /// It is closed, or one request may try.
  bool Lets(const std::string& worker, TimePoint now) const;

  // What becomes of a request at a worker.
  void OnSent(const std::string& worker, TimePoint now);
  void OnServed(const std::string& worker);
  /// Sent there at `sent`. What was sent before the last failure fails for the same reason, and
  /// counts no more.
  void OnFailed(const std::string& worker, TimePoint sent, TimePoint now);
  /// It says nothing about the worker, e.g. as its client gave it up.
  void OnDropped(const std::string& worker);
  /// It has left for good.
  void Forget(const std::string& worker);

 private:
  enum class State { kClosed, kTrying, kOpen };
  struct Breaker {
    State state = State::kClosed;
    int failures = 0;
    TimePoint failed_at = TimePoint::min();
    TimePoint until{};
    Duration span{};
    telemetry::Gauge* gauge = nullptr;
  };

  Breaker& Of(const std::string& worker);
  void Set(Breaker& breaker, State state);

  const BreakerOptions options_;
  RouterMetrics& metrics_;
  std::map<std::string, Breaker> breakers_;
  int not_closed_ = 0;
};

}  // namespace baton::router
