#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "baton/base/latest.h"
#include "baton/collective/communicator.h"
#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "baton/kv/kv_cache.h"
#include "baton/kv/prefix_journal.h"
#include "baton/model/step_runner.h"
#include "baton/rpc/server.h"
#include "baton/worker/worker.h"
#include "generate_service.h"
#include "grammars.h"
#include "metrics.h"
#include "peers.h"
#include "prefill_service.h"
#include "ranks.h"
#include "role_change.h"
#include "sample_log.h"
#include "transport_thread.h"

namespace baton::worker {

/// A worker but for its threads and its gRPC server: the parts, in the order in which they are
/// built, and the calls between them.
/// *Threads*: engine() belongs to the engine thread, Turn() to the transport thread, the
/// WorkerHandler to gRPC's threads; the rest may be called on any. A simulation takes all of them
/// on one thread.
class WorkerCore final : public rpc::WorkerHandler,
                         private engine::EngineListener,
                         private transport::TransportListener {
 public:
  using Gpu = Ranks::Gpu;

  /// What outlives the worker.
  struct Surroundings {
    /// Its first rank's shard, where the options have several.
    model::Model& model;
    transport::Transport& transport;
    const ops::Ops& ops;
    /// By rank, the GPUs that compute; none: the host does.
    std::vector<Gpu> gpus = {};
    /// What several of them sum by, by rank. Empty: threads over memory of the host.
    collective::Group group = {};
    /// Reaches prefill workers.
    rpc::DialWorker dial;
    /// The device is sick: the worker must end. Called on the engine thread.
    std::function<void(const Status&)> on_sick;
    Clock& clock;
    /// The other ranks' shards, by rank.
    std::vector<const model::Model*> other_shards = {};
    /// Tells what steps of a runner take, before any engine uses it; may be empty.
    std::function<std::vector<cost::StepSample>(const engine::EngineOptions&, model::StepRunner&)>
        calibrate = {};
    /// Of a worker over several nodes: the pools of the other nodes' ranks, by rank, out of reach
    /// but for `transport`, and what makes this node's runner one of all nodes.
    std::vector<transport::MemoryRegion> other_regions = {};
    std::function<Result<std::unique_ptr<model::StepRunner>>(std::unique_ptr<model::StepRunner> own,
                                                             collective::Communicator& group)>
        spread = {};
  };

  /// Fails when the options can never serve.
  static Result<std::unique_ptr<WorkerCore>> Create(const WorkerOptions& options,
                                                    Surroundings surroundings);

  engine::Engine& engine() { return *engine_; }
  /// Not started: for its owner to start or to take turns of.
  TransportThread& transport_thread() { return *transport_thread_; }
  /// One turn of the transport thread.
  TimePoint Turn(TimePoint now);

  /// From here on no request or join is taken. What has not finished shortly before `drain` has
  /// passed is handed over: its caller is told to go on elsewhere.
  void StartDraining(Duration drain);
  /// Whether its threads get ahead.
  std::vector<LoopProgress> Loops() const;
  /// Nothing that was taken is under way any more, and what was said has arrived.
  bool drained() const {
    return generate_->streams() == 0 && calls_ == 0 && handoffs_ == 0 && refuses_offers_;
  }
  /// Logs all requests and hand-offs under way, a line each, and why. Waits for a moment for the
  /// threads that know; called on none of them.
  void DumpWork(const std::string& why);
  /// Ends the joins with prefill workers. REQUIRES: SetPeers() is not called any more.
  void LeavePeers();
  /// That is done, so that no call is under way.
  bool left() const { return left_; }

  /// Of this node's first rank.
  collective::Communicator& communicator() { return ranks_->communicator(); }
  /// Of one rank; all have as many blocks.
  const kv::KvCache& cache(size_t rank = 0) const { return ranks_->cache(rank); }
  const handoff::DecodeSide& decode_side() const { return *decode_; }
  const handoff::PrefillSide& prefill_side() const { return *prefill_; }
  const Peers& peers() const { return *peers_; }
  const RoleChange& role_change() const { return *role_change_; }
  size_t streams() const { return generate_->streams(); }

  rpc::WorkerDescription Describe() override;
  rpc::WorkerStatus CurrentStatus() override;
  kv::PrefixUpdate NextPrefixes(kv::PrefixCursor& cursor) override {
    return prefixes_.Read(cursor, rpc::WorkerStatus::kMostChanges);
  }
  void SetPeers(std::vector<rpc::PeerAddress> peers) override;
  Status SetRole(Role role, Duration patience) override;
  void OnGenerate(rpc::GenerateCall call, std::shared_ptr<rpc::GenerateStream> stream) override;
  void OnGenerateEnded(rpc::GenerateStream* stream) override;
  void OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream) override;
  void OnJoinAlive(rpc::JoinStream* stream) override;
  void OnJoinEnded(rpc::JoinStream* stream) override;

 private:
  WorkerCore(const WorkerOptions& options, Surroundings surroundings)
      : options_(options),
        model_(surroundings.model),
        transport_(surroundings.transport),
        ops_(surroundings.ops),
        gpus_(std::move(surroundings.gpus)),
        dial_(std::move(surroundings.dial)),
        on_sick_(std::move(surroundings.on_sick)),
        clock_(surroundings.clock),
        calibrate_(std::move(surroundings.calibrate)),
        other_regions_(std::move(surroundings.other_regions)),
        spread_(std::move(surroundings.spread)),
        group_(std::move(surroundings.group)) {
    shards_.push_back(&model_);
    shards_.insert(shards_.end(), surroundings.other_shards.begin(),
                   surroundings.other_shards.end());
  }

  void DumpRequests(const std::vector<std::pair<SequenceId, StreamTable::Entry>>& requests,
                    std::unordered_map<SequenceId, engine::SequenceReport> sequences) const;
  Status Build();
  std::string DeviceName() const;
  Status BuildRunner(const model::StepLimits& limits);
  /// Has GPUs record what they will repeat, and says what that took, also where it was not reckoned
  /// to take so much.
  Status RecordAndWait(const model::StepLimits& limits) const;
  Status BuildCache();
  Status BuildEngine();
  void BuildHandoff();
  /// Once routers know of a drain, refuses offers as soon as there are none: on the thread that
  /// takes them, so that none comes in between.
  void LookForRest(TimePoint now);
  void PublishStatus();
  /// Why this worker cannot hand KV on or take it; OK where it can.
  Status CheckHandsOn() const;

  void OnStepBegin(TimePoint begin) override;
  void OnStepEnd(const cost::StepShape& shape, Duration took) override;
  void OnPrefixChanges(std::span<const kv::PrefixChange> changes) override;
  void OnToken(SequenceId sequence, TokenOutput output) override;
  void OnFailed(SequenceId sequence, Status status) override;
  void OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) override;
  void OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                 int32_t tokens) override;
  void OnPrefilled(SequenceId sequence, TokenOutput first) override;

  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override;
  void OnTransferDone(transport::PeerId peer, transport::TransferId transfer,
                      Status status) override;

  /// Sequences generated here and those prefilled for a peer share one engine: even and odd ids.
  SequenceId NextGenerated() { return SequenceId{2 * next_sequence_++}; }
  SequenceId NextPrefilled() { return SequenceId{2 * next_sequence_++ + 1}; }
  static bool Generated(SequenceId sequence) { return Index(sequence) % 2 == 0; }

  const WorkerOptions options_;
  model::Model& model_;
  transport::Transport& transport_;
  const ops::Ops& ops_;
  const std::vector<Gpu> gpus_;
  const rpc::DialWorker dial_;
  const std::function<void(const Status&)> on_sick_;
  Clock& clock_;
  const decltype(Surroundings::calibrate) calibrate_;
  const std::vector<transport::MemoryRegion> other_regions_;
  const decltype(Surroundings::spread) spread_;

  /// By rank, the first of them model_.
  std::vector<const model::Model*> shards_;
  std::unique_ptr<Ranks> ranks_;
  /// Whether what the host offers may carry KV.
  Status offered_paths_;
  rpc::WorkerDescription description_;
  std::optional<WorkerMetrics> metrics_;
  std::optional<TransportThread> transport_thread_;
  std::optional<GenerateService> generate_;
  std::optional<PrefillService> prefill_service_;
  std::optional<Grammars> grammars_;
  collective::Group group_;
  std::unique_ptr<model::StepRunner> runner_;
  std::unique_ptr<engine::Engine> engine_;
  std::optional<handoff::DecodeSide> decode_;
  std::optional<handoff::PrefillSide> prefill_;
  std::optional<Peers> peers_;
  std::optional<RoleChange> role_change_;

  std::atomic<uint64_t> next_sequence_{1};
  std::atomic<bool> draining_{false};
  /// Generate calls that gRPC is not done with.
  std::atomic<int32_t> calls_{0};
  // Written by the transport thread.
  /// Hand-offs under way but for quarantined ones.
  std::atomic<int32_t> handoffs_{0};
  /// Of a drain: nobody's KV was to be sent, and from then on nobody's will be.
  std::atomic<bool> refuses_offers_{false};
  std::atomic<bool> left_{false};
  /// What the transport thread last saw, for gRPC's threads.
  Latest<rpc::WorkerStatus> status_;
  SampleLog<cost::StepSample> steps_;
  kv::PrefixJournal prefixes_;

  // The transport thread owns these.
  TimePoint next_publish_{};
  /// Of a drain.
  std::optional<TimePoint> hand_over_at_;
  /// By then routers have heard of it, and send nobody here who would be refused.
  std::optional<TimePoint> told_at_;
  bool leaving_ = false;
};

}  // namespace baton::worker
