#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/role.h"
#include "baton/handoff/outcome.h"
#include "baton/handoff/worker_description.h"
#include "baton/request/request.h"
#include "baton/telemetry/metrics.h"
#include "baton/telemetry/trace.h"

namespace baton::rpc {

/// Who a worker is; constant for the life of its process.
struct WorkerDescription {
  handoff::WorkerDescription identity;
  Role role = Role::kMixed;
  int32_t context_tokens = 0;
  int32_t vocabulary_size = 0;
  /// Opaque: what the transport needs to connect.
  std::string transport_address;
};

/// What peers send each other when they join. The decode side draws `connection` at random; the
/// prefill side answers with the same.
struct JoinHello {
  WorkerDescription worker;
  uint64_t connection = 0;
  /// The sender takes a peer for lost that says nothing for this long; 0: never, and it gives no
  /// signs of life itself.
  std::chrono::milliseconds silence{0};
};

/// A prefill worker that a decode worker should be joined with.
struct PeerAddress {
  std::string name;
  std::string address;

  bool operator==(const PeerAddress&) const = default;
};

/// Why a decode worker is not joined with a prefill worker.
struct JoinProblem {
  std::string peer;
  std::string problem;

  bool operator==(const JoinProblem&) const = default;
};

/// How a worker is doing; sent at intervals.
struct WorkerStatus {
  int32_t running = 0;
  int32_t waiting = 0;
  bool draining = false;
  /// Decode workers: prefill workers whose epoch is joined and can be offered to.
  std::vector<std::string> joined_peers;
  std::vector<JoinProblem> join_problems;
  telemetry::MetricsSnapshot metrics;
};

/// Where the time of a handed-over request went until its first token, as the decode worker knows.
struct HandoffTimings {
  /// Until the decode worker had reserved blocks for the prompt and offered them.
  Duration reserve{};
  handoff::Stages stages;
};

/// What a worker tells about a request to whoever wants to know.
struct GenerateReport {
  std::optional<HandoffTimings> timings;
  /// The worker's own first, then those of its peers by the worker's clock; since the last report.
  std::vector<telemetry::ProcessTrace> traces;
};

/// A request for a worker. Without `prefill_peer` it prefills itself.
struct GenerateCall {
  Request request;
  std::string prefill_peer;
};

}  // namespace baton::rpc
