#pragma once

#include <string>
#include <vector>

#include "baton/telemetry/trace.h"
#include "baton/telemetry/tracer.h"

namespace baton::router {

/// A worker that took part in an attempt at a request.
struct AskedWorker {
  std::string name;
  /// As RoleName() has it; empty where it is not known.
  std::string role;
};

/// What it did there, by our clock.
struct WorkerTrace {
  telemetry::ProcessTrace trace;
  std::string role;
  /// The worker that asked it; empty: the router.
  std::string asked_by;
  /// Of the request, from 1 on.
  int32_t attempt = 1;
};

/// The spans of a request by process: `request` itself, the router's stages within it, and for each
/// worker in an attempt a span, within `request` or within the stage of the worker that waited for
/// it; in that its own stages, which follow one another, and what went on beside them. Steps of a
/// decode are one span, or a trace would have one for each token.
std::vector<telemetry::ProcessSpans> SpansOf(telemetry::TraceSpan request,
                                             const telemetry::ProcessTrace& router,
                                             const std::vector<WorkerTrace>& workers,
                                             telemetry::Tracer& tracer);

}  // namespace baton::router
