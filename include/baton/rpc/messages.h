#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "baton/kv/kv_geometry.h"
#include "baton/request/request.h"
#include "baton/telemetry/metrics.h"

namespace baton::rpc {

/// What a worker's scheduler admits. A mixed worker serves alone.
enum class Role : uint8_t { kPrefill = 0, kDecode = 1, kMixed = 2 };

/// "prefill", "decode", "mixed".
std::string RoleName(Role role);
Result<Role> ParseRole(const std::string& name);

/// Who a worker is; constant for the life of its process. Peers exchange it when they join.
struct WorkerDescription {
  int32_t protocol_version = 0;
  std::string name;
  Role role = Role::kMixed;
  Epoch epoch;
  /// Of configuration and weights: peers pair only when it is equal.
  std::string model_fingerprint;
  kv::KvGeometry geometry;
  int32_t context_tokens = 0;
  int32_t vocabulary_size = 0;
  /// Opaque: what the transport needs to connect.
  std::string transport_address;
};

/// A prefill worker that a decode worker should be joined with.
struct PeerAddress {
  std::string name;
  std::string address;

  bool operator==(const PeerAddress&) const = default;
};

/// How a worker is doing; sent at intervals.
struct WorkerStatus {
  int32_t running = 0;
  int32_t waiting = 0;
  bool draining = false;
  /// Decode workers: prefill workers whose epoch is joined and can be offered to.
  std::vector<std::string> joined_peers;
  telemetry::MetricsSnapshot metrics;
};

/// A request for a worker. Without `prefill_peer` it prefills itself.
struct GenerateCall {
  Request request;
  std::string prefill_peer;
};

}  // namespace baton::rpc
