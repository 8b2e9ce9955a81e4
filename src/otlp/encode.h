#pragma once

#include <string>
#include <vector>

#include "baton/otlp/settings.h"
#include "baton/telemetry/tracer.h"

namespace baton::otlp {

/// Whose spans these are: what all resources of a batch share.
struct Origin {
  std::string service_name;
  /// Of Baton.
  std::string version;
  /// The router's own, with service.instance.id.
  Pairs router;
};

/// ExportTraceServiceRequest of opentelemetry-proto in its JSON mapping. Each process is a resource
/// of its own. `unix_ahead` is how far Unix time is ahead of the spans' clock.
std::string EncodeSpans(const std::vector<telemetry::ProcessSpans>& batch, const Origin& origin,
                        Duration unix_ahead);

}  // namespace baton::otlp
