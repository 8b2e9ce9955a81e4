#include "worker_core.h"

#include <algorithm>
#include <utility>

#include "baton/base/logging.h"
#include "baton/base/units.h"

namespace baton::worker {
namespace {

/// How often figures are refreshed.
constexpr Duration kPulse = std::chrono::milliseconds(50);
/// What is left of a drain when the rest is handed over: for the callers to be told, and for peers
/// to stop their puts.
constexpr Duration kLeastToEnd = std::chrono::milliseconds(500);
constexpr Duration kMostToEnd = std::chrono::seconds(2);

}  // namespace

Result<std::unique_ptr<WorkerCore>> WorkerCore::Create(const WorkerOptions& options,
                                                       Surroundings surroundings) {
  std::unique_ptr<WorkerCore> core(new WorkerCore(options, std::move(surroundings)));
  BATON_RETURN_IF_ERROR(core->Build());
  return core;
}

Status WorkerCore::Build() {
  BATON_RETURN_IF_ERROR(BuildCache());
  metrics_.emplace(options_.name);
  metrics_->SetRanks(model_.shard().ranks);
  metrics_->SetDevice(DeviceName(), ops_.name);
  transport_thread_.emplace(transport_, clock_);
  generate_.emplace(options_.name, options_.local_prefill_max_tokens,
                    GenerateService::Parts{*transport_thread_, *metrics_, clock_});
  prefill_service_.emplace(
      rpc::JoinHello{.worker = description_, .silence = options_.silence},
      PrefillService::Parts{*transport_thread_, transport_, *metrics_, options_.required_paths,
                            clock_, [this] { return NextPrefilled(); },
                            options_.engine.layer_group == 0 ? options_.engine.step_tokens : 0});
  BATON_RETURN_IF_ERROR(BuildEngine());
  BuildHandoff();
  generate_->Connect(*engine_, *decode_, *peers_);
  prefill_service_->Connect(*engine_, *prefill_);
  return OkStatus();
}

Status WorkerCore::BuildCache() {
  const kv::KvGeometry geometry = model_.KvGeometry(options_.block_tokens, options_.kv_dtype);
  offered_paths_ = transport::CheckOffered(options_.required_paths, transport_.OfferedPaths());
  // A mixed worker hands nothing on.
  if (options_.role != Role::kMixed) BATON_RETURN_IF_ERROR(offered_paths_);
  BATON_ASSIGN_OR_RETURN(
      ranks_,
      Ranks::Create(options_,
                    {.shards = shards_, .transport = transport_, .ops = ops_, .gpus = gpus_}));
  BATON_ASSIGN_OR_RETURN(const std::string address, transport_.Address());
  const int32_t context = options_.engine.context_tokens > 0 ? options_.engine.context_tokens
                                                             : model_.config().context_tokens;
  description_ = {.identity = {.epoch = Epoch::Random(),
                               .name = options_.name,
                               .fingerprint = model_.fingerprint(),
                               .geometry = geometry},
                  .role = options_.role,
                  .context_tokens = context,
                  .vocabulary_size = model_.config().vocabulary,
                  .transport_address = address,
                  .limits = {.kv_blocks = cache().blocks(),
                             .running_sequences = options_.engine.running_sequences,
                             .step_tokens = options_.engine.step_tokens}};
  return OkStatus();
}

std::string WorkerCore::DeviceName() const {
  std::string name;
  for (const Gpu& gpu : gpus_) name += (name.empty() ? "" : "+") + std::string(gpu.memory.name());
  return name.empty() ? "cpu" : name;
}

Status WorkerCore::BuildRunner(const model::StepLimits& limits) {
  BATON_ASSIGN_OR_RETURN(runner_, ranks_->MakeRunner(limits, std::move(group_)));
  BATON_RETURN_IF_ERROR(RecordAndWait(limits));
  if (!spread_) return OkStatus();
  BATON_ASSIGN_OR_RETURN(runner_, spread_(std::move(runner_), ranks_->communicator()));
  return OkStatus();
}

Status WorkerCore::RecordAndWait(const model::StepLimits& limits) const {
  const auto ranks = ranks_->runner_parts();
  if (ranks.front().replayed_rows == 0 || !ranks.front().stream.records()) return OkStatus();
  const TimePoint begin = clock_.Now();
  const auto free_bytes = [&]() -> Result<int64_t> {
    int64_t all = 0;
    for (const model::RankRunner::Parts& rank : ranks) {
      BATON_ASSIGN_OR_RETURN(const int64_t free, rank.memory.FreeBytes());
      all += free;
    }
    return all;
  };
  BATON_ASSIGN_OR_RETURN(const int64_t free, free_bytes());
  int32_t recorded = 0;
  int32_t sizes = 0;
  const Status status = runner_->RecordAndWait([&](int32_t done, int32_t of) {
    sizes = of;
    if (10 * done / of == 10 * std::exchange(recorded, done) / of) return;
    BATON_LOG(Debug) << "recorded " << done << " of " << of << " sizes of decodes";
  });
  if (!status.ok())
    return status.WithContext("recording decodes (engine.graphs: off does without)");
  BATON_ASSIGN_OR_RETURN(const int64_t left, free_bytes());
  const int64_t took = std::max<int64_t>(free - left, 0);
  if (recorded == sizes) {
    BATON_LOG(Info) << "decodes of " << sizes << " sizes are graphs, which took "
                    << FormatBytes(took) << " and " << Seconds(clock_.Now() - begin) << " s";
  }
  int64_t reckoned = 0;
  for (const model::RankRunner::Parts& rank : ranks) {
    reckoned += model::RankRunner::RecordingBytes({.model = rank.model,
                                                   .ops = rank.ops,
                                                   .limits = limits,
                                                   .block_tokens = options_.block_tokens,
                                                   .replayed_rows = rank.replayed_rows});
  }
  if (options_.kv_percent > 0 && took > reckoned) {
    BATON_LOG(Warning) << FormatBytes(took) << " of GPU memory went while decodes were recorded as "
                       << "graphs, for which workers.*.kv_percent leaves " << FormatBytes(reckoned)
                       << "; where no other process took it and memory runs out, lower kv_percent "
                       << "or engine.graph_sequences";
  }
  return OkStatus();
}

Status WorkerCore::BuildEngine() {
  engine::EngineOptions options = options_.engine;
  options.context_tokens = description_.context_tokens;
  if (options.constraints == nullptr) {
    grammars_.emplace(options_.model, model_.eos_tokens());
    options.constraints = &*grammars_;
  }
  BATON_ASSIGN_OR_RETURN(const model::StepLimits limits,
                         engine::LimitsFor(options, model_.config()));
  BATON_RETURN_IF_ERROR(BuildRunner(limits));
  if (calibrate_) description_.calibration = calibrate_(options, *runner_);
  BATON_ASSIGN_OR_RETURN(engine_, engine::Engine::Create(options, model_, *runner_, *this, clock_));
  return OkStatus();
}

void WorkerCore::BuildHandoff() {
  handoff::LocalWorker local{.description = description_.identity, .regions = {}};
  local.regions = ranks_->regions();
  local.regions.insert(local.regions.end(), other_regions_.begin(), other_regions_.end());
  handoff::DecodeSideOptions decode;
  decode.lease = options_.lease;
  decode.checksums = options_.checksum;
  decode_.emplace(decode, local, transport_, *generate_, clock_);
  handoff::PrefillSideOptions prefill;
  prefill.handoffs = options_.handoffs;
  prefill_.emplace(prefill, local, transport_, *prefill_service_, clock_);
  peers_.emplace(
      rpc::JoinHello{.worker = description_, .silence = options_.silence},
      Peers::Parts{transport_, *decode_, *metrics_, dial_, clock_, options_.required_paths},
      [this](std::function<void()> work) { transport_thread_->Post(std::move(work)); });
  role_change_.emplace(options_.role, RoleChange::Parts{*generate_, *prefill_service_, *prefill_,
                                                        *decode_, *peers_});
  prefill_service_->TakeOffers(options_.role != Role::kDecode);
  transport_.SetListener(this);
}

void WorkerCore::StartDraining(Duration drain) {
  draining_ = true;
  const Duration to_end = std::min(std::clamp(drain / 10, kLeastToEnd, kMostToEnd), drain / 2);
  transport_thread_->Post([this, at = clock_.Now() + drain - to_end] {
    hand_over_at_ = at;
    next_publish_ = clock_.Now();
    told_at_ = next_publish_ + options_.status_interval;
  });
  BATON_LOG(Info) << "draining: " << generate_->streams() << " requests and " << handoffs_
                  << " hand-offs under way";
}

void WorkerCore::LeavePeers() {
  transport_thread_->Post([this] {
    peers_->Close();
    leaving_ = true;
  });
}

std::vector<LoopProgress> WorkerCore::Loops() const {
  const engine::EngineProgress engine = engine_->Progress();
  // The transport thread looks at its deadlines all the time.
  return {{.name = "engine", .turns = engine.turns, .busy = engine.busy},
          {.name = "transport", .turns = transport_thread_->turns(), .busy = true}};
}

TimePoint WorkerCore::Turn(TimePoint now) {
  if (hand_over_at_ && now >= *hand_over_at_) {
    hand_over_at_.reset();
    generate_->HandOver();
  }
  const auto due = [now](const std::optional<TimePoint>& deadline) {
    return deadline && *deadline <= now;
  };
  if (due(decode_->NextDeadline())) decode_->Tick();
  if (due(prefill_->NextDeadline())) prefill_->Tick();
  TimePoint next = std::min(peers_->Tick(now), prefill_service_->Tick(now));
  if (hand_over_at_) next = std::min(next, *hand_over_at_);
  if (role_change_->Tick(now)) next_publish_ = now;
  left_ = leaving_ && peers_->idle();
  if (now >= next_publish_) {
    PublishStatus();
    LookForRest(now);
    next_publish_ = now + kPulse;
  }
  next = std::min(next, next_publish_);
  next = std::min(next, decode_->NextDeadline().value_or(next));
  return std::min(next, prefill_->NextDeadline().value_or(next));
}

void WorkerCore::PublishStatus() {
  const engine::EngineStats stats = engine_->Stats();
  const handoff::DecodeSideStats decode = decode_->Stats();
  const handoff::PrefillSideStats prefill = prefill_->Stats();
  handoffs_ = decode.offered + decode.aborting + prefill.queued + prefill.prefilling +
              prefill.flushing + prefill.aborting;
  metrics_->Update(stats);
  metrics_->Update(transport_.dropped());
  prefill_service_->FollowCosts();
  metrics_->UpdateSilentPeers(peers_->silent() + prefill_service_->silent());
  metrics_->Update(decode, prefill);
  metrics_->SetRole(role_change_->role());
  metrics_->ForgetPeers(clock_.Now());
  status_.Post({.running = stats.running,
                .waiting = stats.waiting,
                .draining = draining_,
                .role = role_change_->role(),
                .changing_to = role_change_->under_way() ? std::optional(role_change_->target())
                                                         : std::nullopt,
                .joined_peers = peers_->joined(),
                .join_problems = peers_->problems(),
                .peers = peers_->told(),
                .load = {.prefill_tokens = stats.prefill_tokens_ahead,
                         .decode_sequences = stats.decode_sequences,
                         .decode_context = stats.decode_context,
                         .available_blocks = stats.blocks_free + stats.blocks_cached}});
}

void WorkerCore::LookForRest(TimePoint now) {
  if (refuses_offers_ || !told_at_ || now < *told_at_ || handoffs_ > 0) return;
  prefill_->Drain();
  refuses_offers_ = true;
}

rpc::WorkerDescription WorkerCore::Describe() {
  rpc::WorkerDescription description = description_;
  description.role = role_change_->role();
  return description;
}

rpc::WorkerStatus WorkerCore::CurrentStatus() {
  rpc::WorkerStatus status = status_.Read();
  status.metrics = metrics_->Collect();
  status.steps = steps_.Read();
  status.handoffs = generate_->handoffs();
  status.loops = Loops();
  return status;
}

void WorkerCore::OnToken(SequenceId sequence, TokenOutput output) {
  generate_->OnToken(sequence, output);
}

void WorkerCore::OnFailed(SequenceId sequence, Status status) {
  if (status.blast() == Blast::kWorker) {
    BATON_LOG(Error) << "this worker is sick and ends: " << status.message();
    on_sick_(status);
  }
  Generated(sequence) ? generate_->OnFailed(sequence, status)
                      : prefill_service_->OnFailed(sequence, std::move(status));
}

void WorkerCore::OnStepBegin(TimePoint begin) { prefill_service_->OnStepBegin(begin); }

void WorkerCore::OnStepEnd(const cost::StepShape& shape, Duration took) {
  steps_.Add({.shape = shape, .took = took});
}

void WorkerCore::OnPrefixChanges(std::span<const kv::PrefixChange> changes) {
  prefixes_.Append(changes);
}

void WorkerCore::OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) {
  Generated(sequence) ? generate_->OnBlocks(sequence, std::move(blocks))
                      : prefill_service_->OnBlocks(sequence, std::move(blocks));
}

void WorkerCore::OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                           int32_t tokens) {
  prefill_service_->OnKvReady(sequence, layer_begin, layer_end, tokens);
}

void WorkerCore::OnPrefilled(SequenceId sequence, TokenOutput first) {
  prefill_service_->OnPrefilled(sequence, std::move(first));
}

void WorkerCore::SetPeers(std::vector<rpc::PeerAddress> peers) {
  transport_thread_->Post([this, peers = std::move(peers)] {
    if (role_change_->role() == Role::kDecode && !draining_) peers_->Set(peers);
  });
}

Status WorkerCore::CheckHandsOn() const {
  if (options_.transport_kind == "nccl") {
    return FailedPrecondition(
        "worker " + options_.name +
        " keeps the role that it was started with: transport.kind is nccl, whose communicators "
        "have one direction");
  }
  return offered_paths_;
}

Status WorkerCore::SetRole(Role role, Duration patience) {
  if (draining_) return Unavailable("worker " + options_.name + " is draining");
  if (role != role_change_->role()) BATON_RETURN_IF_ERROR(CheckHandsOn());
  transport_thread_->Post([this, role, patience] {
    role_change_->Begin(role, patience, clock_.Now());
    next_publish_ = clock_.Now();
  });
  return OkStatus();
}

void WorkerCore::OnGenerate(rpc::GenerateCall call, std::shared_ptr<rpc::GenerateStream> stream) {
  ++calls_;
  if (draining_) {
    stream->Finish(Aborted("worker " + options_.name + " is draining"));
    return;
  }
  generate_->OnGenerate(NextGenerated(), std::move(call), std::move(stream));
}

void WorkerCore::OnGenerateEnded(rpc::GenerateStream* stream) {
  --calls_;
  generate_->OnGenerateEnded(stream);
}

void WorkerCore::OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream) {
  prefill_service_->OnJoin(std::move(hello), std::move(stream));
}

void WorkerCore::OnJoinAlive(rpc::JoinStream* stream) { prefill_service_->OnJoinAlive(stream); }

void WorkerCore::OnJoinEnded(rpc::JoinStream* stream) { prefill_service_->OnJoinEnded(stream); }

void WorkerCore::OnMessage(transport::PeerId peer, std::span<const std::byte> message) {
  if (handoff::SideOf(message) == handoff::Side::kPrefill) {
    prefill_service_->Heard(peer, clock_.Now());
    prefill_->OnMessage(peer, message);
  } else {
    peers_->Heard(peer, clock_.Now());
    decode_->OnMessage(peer, message);
  }
}

void WorkerCore::OnTransferDone(transport::PeerId peer, transport::TransferId transfer,
                                Status status) {
  prefill_->OnTransferDone(peer, transfer, status);
}

}  // namespace baton::worker
