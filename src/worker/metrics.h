#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/role.h"
#include "baton/engine/engine.h"
#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "baton/telemetry/metrics.h"
#include "baton/transport/path.h"

namespace baton::worker {

/// The worker's figures under the names that dashboards know.
/// *Threads*: lives on the transport thread, but for Collect() and CountDecision().
class WorkerMetrics {
 public:
  explicit WorkerMetrics(const std::string& worker);

  void Update(const engine::EngineStats& stats);
  void Update(const handoff::DecodeSideStats& decode, const handoff::PrefillSideStats& prefill);
  void Update(const transport::DroppedCounts& dropped);
  /// Joined peers that were given up because they were silent, in all.
  void UpdateSilentPeers(int64_t peers) { silent_peers_.Follow(static_cast<double>(peers)); }
  void CountCommit(const handoff::CommitReport& report);
  void CountPrefill(const handoff::PrefillReport& report);

  void SetRole(Role role);
  void SetRanks(int32_t ranks) { ranks_.Set(ranks); }

  /// What carries KV to or from a peer, from its join until it is lost.
  void SetPath(const std::string& peer, const transport::Path& path, bool joined);
  /// Forgets what was shown of peers that have been lost for long.
  void ForgetPeers(TimePoint now);

  /// What puts to a peer cost, as measured.
  void SetCost(const std::string& peer, const transport::PathCost& cost);
  void SetLayerGroup(int32_t layers);
  /// What computes: "cuda:0", and by which kernels.
  void SetDevice(const std::string& device, const std::string& kernels);

  /// A request was prefilled here ("local") or by a peer ("remote").
  void CountDecision(const std::string& where, const std::string& reason);
  telemetry::MetricsSnapshot Collect() const { return registry_.Collect(); }

 private:
  /// A counter that follows a total counted elsewhere.
  class Total {
   public:
    explicit Total(telemetry::Counter& counter) : counter_(counter) {}
    void Follow(double total) {
      if (total > seen_) counter_.Add(total - seen_);
      seen_ = total;
    }

   private:
    telemetry::Counter& counter_;
    double seen_ = 0;
  };
  /// One side of the hand-off.
  struct Side {
    Side(telemetry::MetricRegistry& registry, const std::string& side);
    std::vector<Total> failures;
    std::vector<Total> ignored;
    template <typename Stats>
    void Follow(const Stats& stats);
  };

  struct Peer {
    /// A worker that is started again may join before the loss of the one before is known.
    int joins = 0;
    /// Since when it has none.
    std::optional<TimePoint> lost;
  };

  void SetActive(const std::string& state, int32_t handoffs) {
    handoffs_active_.at(state)->Set(handoffs);
  }

  telemetry::MetricRegistry registry_;
  telemetry::Gauge& running_;
  telemetry::Gauge& waiting_;
  telemetry::Gauge& vllm_running_;
  telemetry::Gauge& vllm_waiting_;
  telemetry::Gauge& vllm_usage_;
  std::array<telemetry::Gauge*, 4> blocks_;
  telemetry::Gauge& ranks_;
  Total prompt_tokens_;
  Total generated_tokens_;
  Total prefix_hit_tokens_;
  Total preemptions_;
  Total steps_;
  Total step_seconds_;
  Total grammar_requests_;
  Total grammar_masks_;
  Total grammar_mask_seconds_;
  Total grammar_wait_seconds_;
  std::array<telemetry::Histogram*, 4> stages_;
  telemetry::Counter& handoff_bytes_;
  telemetry::Counter& handoff_descriptors_;
  telemetry::Counter& handoffs_;
  Total handoffs_redone_;
  Total released_without_proof_;
  /// By state of the hand-off, as proto/README.md names them.
  std::map<std::string, telemetry::Gauge*> handoffs_active_;
  std::vector<telemetry::Gauge*> quarantined_blocks_;
  telemetry::Gauge& oldest_quarantine_;
  std::vector<Total> dropped_;
  /// Those with series of their own.
  std::map<std::string, Peer> peers_;
  Total silent_peers_;
  Side decode_;
  Side prefill_;
};

}  // namespace baton::worker
