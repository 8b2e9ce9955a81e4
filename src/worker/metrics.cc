#include "metrics.h"

namespace baton::worker {
namespace {

using telemetry::Labels;

/// Stages last from microseconds on one host to seconds between hosts.
const std::vector<double> kStageBuckets = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01,
                                           0.02,   0.05,   0.1,    0.2,   0.5,   1,     2,
                                           5,      10,     20,     30,    60};
/// Figures of a peer stay for so long after it was lost, as one of its name may come back.
constexpr Duration kForgetPeer = std::chrono::minutes(5);

constexpr const char* kBlocksHelp = "KV blocks by state";
constexpr const char* kQuarantineHelp =
    "KV blocks that may not be used because a peer's puts may still land, by why";
constexpr const char* kDroppedHelp =
    "What the transport threw away: messages and puts that were not of this connection";
constexpr const char* kStageHelp = "Where the time of a hand-off goes";

}  // namespace

WorkerMetrics::Side::Side(telemetry::MetricRegistry& registry, const std::string& side) {
  for (size_t i = 0; i < handoff::kFailures; ++i) {
    const std::string reason(FailureName(static_cast<handoff::Failure>(i)));
    failures.emplace_back(registry.AddCounter("baton_handoff_failures_total",
                                              "Hand-offs that ended without a commit",
                                              Labels{{"reason", reason}, {"side", side}}));
  }
  for (size_t i = 0; i < handoff::kIgnored; ++i) {
    const std::string reason(IgnoredName(static_cast<handoff::Ignored>(i)));
    ignored.emplace_back(registry.AddCounter("baton_handoff_messages_ignored_total",
                                             "Messages that were dropped without effect",
                                             Labels{{"reason", reason}, {"side", side}}));
  }
}

template <typename Stats>
void WorkerMetrics::Side::Follow(const Stats& stats) {
  for (size_t i = 0; i < failures.size(); ++i) {
    failures[i].Follow(static_cast<double>(stats.failures[i]));
  }
  for (size_t i = 0; i < ignored.size(); ++i) {
    ignored[i].Follow(static_cast<double>(stats.ignored.count[i]));
  }
}

WorkerMetrics::WorkerMetrics(const std::string& worker)
    : registry_(Labels{{"worker", worker}}),
      running_(registry_.AddGauge("baton_requests_running", "Sequences in the running batch")),
      waiting_(
          registry_.AddGauge("baton_requests_waiting", "Sequences that wait for memory or KV")),
      vllm_running_(registry_.AddGauge("vllm:num_requests_running", "baton_requests_running")),
      vllm_waiting_(registry_.AddGauge("vllm:num_requests_waiting", "baton_requests_waiting")),
      vllm_usage_(registry_.AddGauge("vllm:kv_cache_usage_perc", "Share of KV blocks in use, 0-1")),
      blocks_{&registry_.AddGauge("baton_kv_blocks", kBlocksHelp, {{"state", "free"}}),
              &registry_.AddGauge("baton_kv_blocks", kBlocksHelp, {{"state", "used"}}),
              &registry_.AddGauge("baton_kv_blocks", kBlocksHelp, {{"state", "cached"}}),
              &registry_.AddGauge("baton_kv_blocks", kBlocksHelp, {{"state", "quarantined"}})},
      ranks_(
          registry_.AddGauge("baton_tensor_parallel_ranks", "Ranks that share the worker's model")),
      prompt_tokens_(registry_.AddCounter("baton_prompt_tokens_total", "Prompt tokens computed")),
      generated_tokens_(registry_.AddCounter("baton_generated_tokens_total", "Tokens generated")),
      prefix_hit_tokens_(registry_.AddCounter("baton_prefix_hit_tokens_total",
                                              "Prompt tokens whose KV was in the prefix cache")),
      preemptions_(registry_.AddCounter("baton_preemptions_total",
                                        "Sequences that gave up their blocks to recompute later")),
      steps_(registry_.AddCounter("baton_steps_total", "Forward passes")),
      step_seconds_(registry_.AddCounter("baton_step_seconds_total", "Time in forward passes")),
      grammar_requests_(
          registry_.AddCounter("baton_grammar_requests_total", "Sequences bound by a grammar")),
      grammar_masks_(registry_.AddCounter("baton_grammar_masks_total",
                                          "Times it was worked out what a grammar allows next")),
      grammar_mask_seconds_(registry_.AddCounter("baton_grammar_mask_cpu_seconds_total",
                                                 "CPU time of grammars, beside forward passes")),
      grammar_wait_seconds_(registry_.AddCounter("baton_grammar_wait_seconds_total",
                                                 "Time that steps waited for grammars")),
      stages_{&registry_.AddHistogram("baton_handoff_seconds", kStageHelp, {{"stage", "queued"}},
                                      kStageBuckets),
              &registry_.AddHistogram("baton_handoff_seconds", kStageHelp, {{"stage", "prefill"}},
                                      kStageBuckets),
              &registry_.AddHistogram("baton_handoff_seconds", kStageHelp, {{"stage", "transfer"}},
                                      kStageBuckets),
              &registry_.AddHistogram("baton_handoff_seconds", kStageHelp, {{"stage", "commit"}},
                                      kStageBuckets)},
      handoff_bytes_(registry_.AddCounter("baton_handoff_bytes_total", "KV bytes handed over")),
      handoff_descriptors_(registry_.AddCounter("baton_handoff_descriptors_total",
                                                "Runs of bytes that hand-offs were put in")),
      handoffs_(registry_.AddCounter("baton_handoffs_total", "Hand-offs that were committed")),
      handoffs_redone_(registry_.AddCounter("baton_handoff_redone_total",
                                            "Hand-offs done again because bytes were damaged")),
      released_without_proof_(registry_.AddCounter("baton_quarantine_timeouts_total",
                                                   "Quarantines that ended by their deadline")),
      oldest_quarantine_(registry_.AddGauge("baton_kv_quarantine_oldest_seconds",
                                            "Age of the oldest quarantine; 0: there is none")),
      silent_peers_(registry_.AddCounter("baton_silent_peers_total",
                                         "Joined peers given up because they were silent")),
      decode_(registry_, "decode"),
      prefill_(registry_, "prefill") {
  for (const char* state :
       {"offered", "queued", "prefilling", "flushing", "aborting", "quarantined"}) {
    handoffs_active_[state] =
        &registry_.AddGauge("baton_handoffs_active", "Hand-offs by state", {{"state", state}});
  }
  for (size_t i = 0; i < handoff::kFailures; ++i) {
    quarantined_blocks_.push_back(&registry_.AddGauge(
        "baton_kv_quarantined_blocks", kQuarantineHelp,
        {{"reason", std::string(FailureName(static_cast<handoff::Failure>(i)))}}));
  }
  for (const char* reason : {"unknown_peer", "earlier_connection", "malformed"}) {
    dropped_.emplace_back(
        registry_.AddCounter("baton_transport_dropped_total", kDroppedHelp, {{"reason", reason}}));
  }
}

void WorkerMetrics::Update(const engine::EngineStats& stats) {
  running_.Set(stats.running);
  waiting_.Set(stats.waiting);
  vllm_running_.Set(stats.running);
  vllm_waiting_.Set(stats.waiting);
  const std::array<int32_t, 4> blocks = {stats.blocks_free, stats.blocks_used, stats.blocks_cached,
                                         stats.blocks_quarantined};
  int32_t total = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks_[i]->Set(blocks[i]);
    total += blocks[i];
  }
  vllm_usage_.Set(
      total == 0 ? 0 : static_cast<double>(stats.blocks_used + stats.blocks_quarantined) / total);
  prompt_tokens_.Follow(static_cast<double>(stats.prompt_tokens));
  generated_tokens_.Follow(static_cast<double>(stats.generated_tokens));
  prefix_hit_tokens_.Follow(static_cast<double>(stats.prefix_hit_tokens));
  preemptions_.Follow(static_cast<double>(stats.preemptions));
  steps_.Follow(static_cast<double>(stats.steps));
  step_seconds_.Follow(stats.step_seconds);
  grammar_requests_.Follow(static_cast<double>(stats.constrained_sequences));
  grammar_masks_.Follow(static_cast<double>(stats.masks));
  grammar_mask_seconds_.Follow(stats.mask_cpu_seconds);
  grammar_wait_seconds_.Follow(stats.mask_wait_seconds);
}

/// A worker that changes its role may have hand-offs of both sides.
void WorkerMetrics::Update(const handoff::DecodeSideStats& decode,
                           const handoff::PrefillSideStats& prefill) {
  decode_.Follow(decode);
  handoffs_redone_.Follow(static_cast<double>(decode.redone));
  released_without_proof_.Follow(static_cast<double>(decode.released_without_proof));
  for (size_t i = 0; i < quarantined_blocks_.size(); ++i) {
    quarantined_blocks_[i]->Set(static_cast<double>(decode.quarantined_blocks[i]));
  }
  oldest_quarantine_.Set(Seconds(decode.oldest_quarantine));
  prefill_.Follow(prefill);
  SetActive("offered", decode.offered);
  SetActive("quarantined", decode.quarantined);
  SetActive("queued", prefill.queued);
  SetActive("prefilling", prefill.prefilling);
  SetActive("flushing", prefill.flushing);
  SetActive("aborting", decode.aborting + prefill.aborting);
}

void WorkerMetrics::SetRole(Role role) {
  for (const Role other : {Role::kPrefill, Role::kDecode, Role::kMixed}) {
    registry_
        .AddGauge("baton_worker_role", "1 for the role that this worker has now",
                  {{"role", std::string(RoleName(other))}})
        .Set(other == role ? 1 : 0);
  }
}

void WorkerMetrics::Update(const transport::DroppedCounts& dropped) {
  const std::array<int64_t, 3> counts = {dropped.unknown_peer, dropped.earlier_connection,
                                         dropped.malformed};
  for (size_t i = 0; i < counts.size(); ++i) dropped_[i].Follow(static_cast<double>(counts[i]));
}

void WorkerMetrics::CountCommit(const handoff::CommitReport& report) {
  stages_[3]->Observe(report.stages.commit);
  handoff_bytes_.Add(static_cast<double>(report.transfer.bytes));
  handoffs_.Increment();
}

void WorkerMetrics::CountPrefill(const handoff::PrefillReport& report) {
  if (report.failure) return;
  stages_[0]->Observe(report.stages.queued);
  stages_[1]->Observe(report.stages.prefill);
  stages_[2]->Observe(report.stages.transfer);
  handoff_descriptors_.Add(static_cast<double>(report.transfer.descriptors));
}

void WorkerMetrics::SetPath(const std::string& peer, const transport::Path& path, bool joined) {
  Peer& known = peers_[peer];
  known.joins += joined ? 1 : -1;
  known.lost.reset();
  registry_
      .AddGauge("baton_transport_info", "1 for what carries KV between this worker and a peer",
                {{"peer", peer},
                 {"path", path.text},
                 {"kind", transport::KindNames(path)},
                 {"staged", path.staged ? "true" : "false"}})
      .Set(joined ? 1 : 0);
}

void WorkerMetrics::ForgetPeers(TimePoint now) {
  for (auto it = peers_.begin(); it != peers_.end();) {
    Peer& peer = it->second;
    if (peer.joins == 0 && !peer.lost) peer.lost = now;
    if (peer.joins > 0 || now - *peer.lost < kForgetPeer) {
      ++it;
      continue;
    }
    registry_.Remove("peer", it->first);
    it = peers_.erase(it);
  }
}

void WorkerMetrics::SetDevice(const std::string& device, const std::string& kernels) {
  registry_
      .AddGauge("baton_device_info", "1 for the device on which this worker computes",
                {{"device", device}, {"kernels", kernels}})
      .Set(1);
}

void WorkerMetrics::SetCost(const std::string& peer, const transport::PathCost& cost) {
  const Labels labels{{"peer", peer}};
  registry_
      .AddGauge("baton_transport_put_seconds", "What each put to a peer takes beside its bytes",
                labels)
      .Set(Seconds(cost.per_put));
  registry_
      .AddGauge("baton_transport_transfer_seconds",
                "What each transfer to a peer takes beside its puts", labels)
      .Set(Seconds(cost.per_transfer));
  registry_
      .AddGauge("baton_transport_bytes_per_second", "Rate at which puts to a peer move bytes",
                labels)
      .Set(cost.bytes_per_s);
}

void WorkerMetrics::SetLayerGroup(int32_t layers) {
  registry_
      .AddGauge("baton_layer_group",
                "Layers after which finished KV is sent, where the paths decide")
      .Set(layers);
}

void WorkerMetrics::CountDecision(const std::string& where, const std::string& reason) {
  registry_
      .AddCounter("baton_decisions_total", "Where requests were prefilled, and why",
                  {{"where", where}, {"reason", reason}})
      .Increment();
}

}  // namespace baton::worker
