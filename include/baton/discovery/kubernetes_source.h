#pragma once

#include <memory>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/discovery/source.h"

namespace baton::discovery {

struct KubernetesOptions {
  /// Services whose pods are workers: "service" or "service:port".
  std::vector<std::string> services;
  /// That of the services; empty: the service account's.
  std::string service_namespace;
  /// "https://host:port"; empty: as the environment of a pod says.
  std::string api_server;
  /// A folder with token, ca.crt and, unless `service_namespace` is given, namespace; empty: where
  /// pods have it.
  std::string service_account;
  /// How long a watch lasts at most.
  Duration watch = std::chrono::minutes(1);
  /// The least time between two watches, and the pause after the first failure in a row.
  Duration interval = std::chrono::seconds(2);
};

/// Finds workers at the ready endpoints of Services, by listing and then watching their
/// EndpointSlices. An API server that cannot be asked changes nothing. Fails with InvalidArgument
/// where an option is wrong, or this is no pod and the options do not say what one would know.
Result<std::unique_ptr<Source>> KubernetesSource(const KubernetesOptions& options,
                                                 const Clock& clock);

}  // namespace baton::discovery
