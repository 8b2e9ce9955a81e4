#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/config/config.h"
#include "baton/telemetry/tracer.h"

namespace baton::otlp {

/// Names and values.
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Where spans are sent, and of which requests.
struct Settings {
  config::HttpUrl endpoint;
  Pairs headers;
  /// In PEM; empty: whom the system trusts.
  std::string authority_file;
  bool gzip = false;
  /// For each step of sending a batch.
  Duration timeout = std::chrono::seconds(10);
  /// After its first span a batch waits for so long for more.
  Duration interval = std::chrono::seconds(1);
  size_t batch_spans = 512;
  /// Most spans that wait; further ones are dropped.
  size_t queue_spans = 8192;
  telemetry::Sampling sampling;
  std::string service_name = "baton";
  /// Of the router's resource, e.g. of OTEL_RESOURCE_ATTRIBUTES.
  Pairs resource;
};

/// A variable's value; empty where it is not set.
using Environment = std::function<std::string(const std::string& name)>;

/// What the configuration says and, where it says nothing, the variables of OpenTelemetry,
/// https://opentelemetry.io/docs/specs/otel/protocol/exporter/; nothing where neither names an
/// endpoint. Fails with InvalidArgument naming the key or the variable.
Result<std::optional<Settings>> ReadSettings(const config::Otlp& config,
                                             const Environment& environment);

}  // namespace baton::otlp
