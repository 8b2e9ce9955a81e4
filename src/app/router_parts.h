#pragma once

#include <memory>
#include <optional>

#include "baton/access/gatekeeper.h"
#include "baton/api/frontend.h"
#include "baton/base/clock.h"
#include "baton/config/config.h"
#include "baton/otlp/exporter.h"
#include "baton/router/router.h"
#include "baton/telemetry/metrics.h"
#include "baton/telemetry/tracer.h"
#include "baton/text/chat_template.h"
#include "baton/text/tokenizer.h"

namespace baton::app {

/// A router and the API before it, which no port serves yet.
struct RouterParts {
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::optional<text::ChatTemplate> chat_template;
  telemetry::MetricRegistry metrics;
  /// Both null where spans are not wanted; before whoever makes some, to end after them.
  std::unique_ptr<otlp::Exporter> spans;
  std::unique_ptr<telemetry::Tracer> tracer;
  std::unique_ptr<router::Router> router;
  /// Null where nobody is asked for a key.
  std::unique_ptr<access::Gatekeeper> gatekeeper;
  std::unique_ptr<api::Frontend> frontend;
};

/// Reads the model's folder; the router begins to look for workers. `clock` outlives them.
Result<std::unique_ptr<RouterParts>> MakeRouterParts(const config::Config& config,
                                                     router::RouterOptions options, Clock& clock);

}  // namespace baton::app
