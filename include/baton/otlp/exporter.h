#pragma once

#include <functional>
#include <memory>
#include <string>

#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/otlp/settings.h"
#include "baton/telemetry/metrics.h"
#include "baton/telemetry/tracer.h"

namespace baton::otlp {

struct ExporterOptions {
  Settings settings;
  /// Of Baton.
  std::string version;
  /// What no other router is called.
  std::string instance;
  /// For how long, at most, what is left is sent when it ends.
  Duration flush = std::chrono::seconds(3);
  /// How far Unix time is ahead of the clock's, at present. Of any thread.
  std::function<Duration()> unix_ahead;
};

/// Sends spans in batches, on a thread of its own: a slow or absent receiver holds up nobody. What
/// cannot be sent is tried again for a while, and dropped and counted when there is too much of it.
/// *Threads*: thread-safe; Take() never waits.
class Exporter : public telemetry::SpanSink {
 public:
  /// `registry` and `clock` outlive it. Fails with InvalidArgument where it cannot be set up.
  static Result<std::unique_ptr<Exporter>> Start(const ExporterOptions& options,
                                                 telemetry::MetricRegistry& registry,
                                                 const Clock& clock);
  /// Sends what it was given, within `flush`, then ends.
  ~Exporter() override = default;
};

}  // namespace baton::otlp
