#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/progress_watch.h"
#include "baton/base/role.h"
#include "baton/cost/step_model.h"
#include "baton/handoff/outcome.h"
#include "baton/handoff/worker_description.h"
#include "baton/kv/prefix_journal.h"
#include "baton/request/request.h"
#include "baton/telemetry/metrics.h"
#include "baton/telemetry/trace.h"

namespace baton::rpc {

/// What a worker can hold; 0 where it does not say.
struct WorkerLimits {
  int32_t kv_blocks = 0;
  int32_t running_sequences = 0;
  int32_t step_tokens = 0;
};

/// Who a worker is; constant for the life of its process, but for the role.
struct WorkerDescription {
  handoff::WorkerDescription identity;
  /// When it was asked; later ones are in its status.
  Role role = Role::kMixed;
  int32_t context_tokens = 0;
  int32_t vocabulary_size = 0;
  /// Opaque: what the transport needs to connect.
  std::string transport_address;
  WorkerLimits limits;
  /// Steps that the worker took before it was ready, to tell what steps take there; may be none.
  std::vector<cost::StepSample> calibration;
};

/// What peers send each other when they join. The decode side draws `connection` at random; the
/// prefill side answers with the same.
struct JoinHello {
  WorkerDescription worker;
  uint64_t connection = 0;
  /// The sender takes a peer for lost that says nothing for this long; 0: never, and it gives no
  /// signs of life itself.
  std::chrono::milliseconds silence{0};
  /// The prefill side takes no offers: it joins for its word alone that no earlier put can land.
  bool leaving = false;
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

/// What a worker has to do as things stand.
struct WorkerLoad {
  /// Prompt tokens that it is to compute.
  int64_t prefill_tokens = 0;
  /// Sequences that draw a token in each step, and the tokens that they hold in all.
  int32_t decode_sequences = 0;
  int64_t decode_context = 0;
  /// Blocks that it could give to a sequence.
  int32_t available_blocks = 0;
};

/// A hand-off as the decode worker saw it.
struct HandoffSample {
  /// Counted from 1 since the worker's start.
  uint64_t number = 0;
  /// The prefill worker.
  std::string peer;
  int64_t bytes = 0;
  /// What came after the prefill, until the commit was accepted.
  Duration took{};

  bool operator==(const HandoffSample&) const = default;
};

/// How a worker is doing; sent at intervals.
struct WorkerStatus {
  int32_t running = 0;
  int32_t waiting = 0;
  bool draining = false;
  /// None: that of its description.
  std::optional<Role> role;
  /// It finishes what it has in its role and then takes this one.
  std::optional<Role> changing_to;
  /// Decode workers: prefill workers whose epoch is joined and can be offered to.
  std::vector<std::string> joined_peers;
  std::vector<JoinProblem> join_problems;
  /// Decode workers: all prefill workers that it was told of last, by whichever router.
  std::vector<PeerAddress> peers;
  telemetry::MetricsSnapshot metrics;
  WorkerLoad load;
  /// The last ones, ascending by number, whether told before or not.
  std::vector<cost::StepSample> steps;
  std::vector<HandoffSample> handoffs;
  /// What this watcher is to know of the prefix cache, after what it was told before.
  kv::PrefixUpdate prefixes;
  /// Its "engine" and its "transport" thread at the moment of sending, however old the rest is.
  std::vector<LoopProgress> loops;

  /// Most steps, and most hand-offs, in one status; changes in one update.
  static constexpr size_t kMostSamples = 64;
  static constexpr size_t kMostChanges = 8192;
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
  /// Why so, a word for metrics; empty: for no reason that is known.
  std::string reason = {};
};

}  // namespace baton::rpc
