#include "baton/worker/worker.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>
#include <sched.h>

#include "baton/base/gate.h"
#include "baton/base/latest.h"
#include "baton/base/logging.h"
#include "baton/base/units.h"
#include "baton/device/host_stream.h"
#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/kv/kv_cache.h"
#include "baton/model/model.h"
#include "baton/rpc/server.h"
#include "baton/transport/ucx.h"
#include "generate_service.h"
#include "metrics.h"
#include "peers.h"
#include "prefill_service.h"
#include "transport_thread.h"

namespace baton::worker {
namespace {

/// How often figures are refreshed and the end of a drain is looked for.
constexpr Duration kPulse = std::chrono::milliseconds(50);
/// How long calls that were cancelled may take to end.
constexpr Duration kEndOfCalls = std::chrono::seconds(2);

Status PinToCores(const std::vector<int>& cores) {
  if (cores.empty()) return OkStatus();
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    if (core < 0 || core >= CPU_SETSIZE) {
      return InvalidArgument("no core " + std::to_string(core) + " on this host");
    }
    CPU_SET(static_cast<size_t>(core), &set);
  }
  if (sched_setaffinity(0, sizeof set, &set) == 0) return OkStatus();
  return InvalidArgument("cannot pin to the cores asked for; are they all on this host?");
}

/// One worker process: its parts, in the order in which they are built.
class Worker final : public engine::EngineListener,
                     public rpc::WorkerHandler,
                     public transport::TransportListener {
 public:
  Worker(const WorkerOptions& options, Clock& clock) : options_(options), clock_(clock) {}

  Status Build();
  Status Serve(std::stop_token stop);

  void OnToken(SequenceId sequence, TokenOutput output) override;
  void OnFailed(SequenceId sequence, Status status) override;
  void OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) override;
  void OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                 int32_t tokens) override;
  void OnPrefilled(SequenceId sequence, TokenOutput first) override;

  rpc::WorkerDescription Describe() override { return description_; }
  rpc::WorkerStatus CurrentStatus() override;
  void SetPeers(std::vector<rpc::PeerAddress> peers) override;
  void OnGenerate(rpc::GenerateCall call, std::shared_ptr<rpc::GenerateStream> stream) override;
  void OnGenerateEnded(rpc::GenerateStream* stream) override;
  void OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream) override;
  void OnJoinEnded(rpc::JoinStream* stream) override;

  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override;
  void OnTransferDone(transport::PeerId peer, transport::TransferId transfer,
                      Status status) override;

 private:
  Status BuildCache();
  Status BuildEngine();
  void BuildHandoff();
  TimePoint Turn(TimePoint now);
  void PublishStatus();
  void Drain();
  void ShutDown();

  /// Sequences generated here and those prefilled for a peer share one engine: even and odd ids.
  SequenceId NextGenerated() { return SequenceId{2 * next_sequence_++}; }
  SequenceId NextPrefilled() { return SequenceId{2 * next_sequence_++ + 1}; }
  static bool Generated(SequenceId sequence) { return Index(sequence) % 2 == 0; }

  const WorkerOptions options_;
  Clock& clock_;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<transport::Transport> transport_;
  transport::MemoryRegion region_;
  std::optional<kv::KvCache> cache_;
  std::optional<device::HostStream> stream_;
  rpc::WorkerDescription description_;
  std::optional<WorkerMetrics> metrics_;
  std::optional<TransportThread> transport_thread_;
  std::optional<GenerateService> generate_;
  std::optional<PrefillService> prefill_service_;
  std::unique_ptr<engine::Engine> engine_;
  std::optional<handoff::DecodeSide> decode_;
  std::optional<handoff::PrefillSide> prefill_;
  std::optional<Peers> peers_;
  std::unique_ptr<rpc::WorkerServer> server_;
  std::jthread engine_thread_;

  std::atomic<uint64_t> next_sequence_{1};
  std::atomic<bool> draining_{false};
  /// Hand-offs and joins under way; written by the transport thread.
  std::atomic<int32_t> handoffs_{0};
  std::atomic<bool> peers_idle_{true};
  /// What the transport thread last saw, for gRPC's threads.
  Latest<rpc::WorkerStatus> status_;
  TimePoint next_publish_{};
  Gate end_;
  /// Written by the engine thread; read once that has ended.
  Status sick_;
};

Status Worker::Build() {
  BATON_RETURN_IF_ERROR(PinToCores(options_.cores));
  BATON_ASSIGN_OR_RETURN(model_, model::Model::Load(options_.model));
  BATON_RETURN_IF_ERROR(BuildCache());
  metrics_.emplace(options_.name);
  transport_thread_.emplace(*transport_, clock_);
  generate_.emplace(options_.name, options_.local_prefill_max_tokens,
                    GenerateService::Parts{*transport_thread_, *metrics_});
  prefill_service_.emplace(description_, PrefillService::Parts{*transport_thread_, *transport_,
                                                               *metrics_, options_.required_paths,
                                                               [this] { return NextPrefilled(); }});
  BATON_RETURN_IF_ERROR(BuildEngine());
  BuildHandoff();
  generate_->Connect(*engine_, *decode_, *peers_);
  prefill_service_->Connect(*engine_, *prefill_);
  return OkStatus();
}

Status Worker::BuildCache() {
  const kv::KvGeometry geometry = model_->KvGeometry(options_.block_tokens, options_.kv_dtype);
  BATON_ASSIGN_OR_RETURN(transport_,
                         transport::MakeUcxTransport({.transports = options_.transport_tls}));
  if (options_.role != Role::kMixed) {  // A mixed worker hands nothing on.
    BATON_RETURN_IF_ERROR(
        transport::CheckOffered(options_.required_paths, transport_->OfferedPaths()));
  }
  BATON_ASSIGN_OR_RETURN(region_,
                         transport_->AllocateRegion(static_cast<size_t>(options_.kv_bytes)));
  BATON_ASSIGN_OR_RETURN(cache_, kv::KvCache::Create(geometry, {region_.data, region_.bytes}));
  BATON_ASSIGN_OR_RETURN(const std::string address, transport_->Address());
  const int32_t context = options_.engine.context_tokens > 0 ? options_.engine.context_tokens
                                                             : model_->config().context_tokens;
  description_ = {.identity = {.epoch = Epoch::Random(),
                               .name = options_.name,
                               .fingerprint = model_->fingerprint(),
                               .geometry = geometry},
                  .role = options_.role,
                  .context_tokens = context,
                  .vocabulary_size = model_->config().vocabulary,
                  .transport_address = address};
  return OkStatus();
}

Status Worker::BuildEngine() {
  stream_.emplace(options_.threads);
  engine::EngineOptions options = options_.engine;
  options.context_tokens = description_.context_tokens;
  BATON_ASSIGN_OR_RETURN(
      engine_, engine::Engine::Create(options, *model_, *cache_, kernels::CpuOps(), *stream_, *this,
                                      clock_));
  return OkStatus();
}

void Worker::BuildHandoff() {
  const handoff::LocalWorker local{.description = description_.identity, .regions = {region_}};
  handoff::DecodeSideOptions decode;
  decode.lease = options_.lease;
  decode.checksums = options_.checksum;
  decode_.emplace(decode, local, *transport_, *generate_, clock_);
  handoff::PrefillSideOptions prefill;
  prefill.handoffs = options_.handoffs;
  prefill_.emplace(prefill, local, *transport_, *prefill_service_, clock_);
  peers_.emplace(description_,
                 Peers::Parts{*transport_, *decode_, *metrics_, clock_, options_.required_paths},
                 [this](std::function<void()> work) { transport_thread_->Post(std::move(work)); });
  transport_->SetListener(this);
}

Status Worker::Serve(std::stop_token stop) {
  engine_thread_ = std::jthread([this](const std::stop_token& engine_stop) {
    pthread_setname_np(pthread_self(), "engine");
    engine_->Run(engine_stop);
  });
  transport_thread_->Start([this](TimePoint now) { return Turn(now); });
  auto server = rpc::WorkerServer::Start(options_.listen, *this, options_.status_interval);
  if (!server.ok()) {
    ShutDown();
    return server.status();
  }
  server_ = *std::move(server);
  BATON_LOG(Info) << RoleName(options_.role) << " worker listens on " << server_->address()
                  << ": epoch " << description_.identity.epoch << ", " << kernels::CpuOps().name
                  << " on " << options_.threads << " threads, " << cache_->blocks()
                  << " KV blocks of " << options_.block_tokens << " tokens ("
                  << FormatBytes(options_.kv_bytes) << ")";
  if (options_.on_ready) options_.on_ready(server_->address());

  const std::stop_callback on_stop(stop, [this] { end_.Open(); });
  while (!end_.Wait(std::chrono::hours(1))) {
  }
  if (stop.stop_requested()) Drain();
  ShutDown();
  return sick_;
}

/// Waits until nothing is under way, or for options_.drain.
void Worker::Drain() {
  draining_ = true;
  const TimePoint deadline = clock_.Now() + options_.drain;
  BATON_LOG(Info) << "draining: " << generate_->streams() << " requests and " << handoffs_
                  << " hand-offs under way";
  Gate pause;
  while ((generate_->streams() > 0 || handoffs_ > 0) && clock_.Now() < deadline) {
    pause.Wait(kPulse);
  }
}

void Worker::ShutDown() {
  if (server_) server_->Shutdown();
  transport_thread_->Post([this] { peers_->Set({}); });
  const TimePoint deadline = clock_.Now() + kEndOfCalls;
  Gate pause;
  do {
    pause.Wait(kPulse / 10);
  } while (!peers_idle_ && clock_.Now() < deadline);
  engine_thread_.request_stop();
  engine_thread_.join();
  transport_thread_->Stop();
}

TimePoint Worker::Turn(TimePoint now) {
  const auto due = [now](const std::optional<TimePoint>& deadline) {
    return deadline && *deadline <= now;
  };
  if (due(decode_->NextDeadline())) decode_->Tick();
  if (due(prefill_->NextDeadline())) prefill_->Tick();
  TimePoint next = peers_->Tick(now);
  peers_idle_ = peers_->idle();
  if (now >= next_publish_) {
    PublishStatus();
    next_publish_ = now + kPulse;
  }
  next = std::min(next, next_publish_);
  next = std::min(next, decode_->NextDeadline().value_or(next));
  return std::min(next, prefill_->NextDeadline().value_or(next));
}

void Worker::PublishStatus() {
  const engine::EngineStats stats = engine_->Stats();
  const handoff::DecodeSideStats decode = decode_->Stats();
  const handoff::PrefillSideStats prefill = prefill_->Stats();
  handoffs_ = decode.offered + decode.aborting + prefill.queued + prefill.prefilling +
              prefill.flushing + prefill.aborting;
  metrics_->Update(stats);
  options_.role == Role::kPrefill ? metrics_->Update(prefill) : metrics_->Update(decode);
  status_.Post({.running = stats.running,
                .waiting = stats.waiting,
                .draining = draining_,
                .joined_peers = peers_->joined(),
                .join_problems = peers_->problems()});
}

rpc::WorkerStatus Worker::CurrentStatus() {
  rpc::WorkerStatus status = status_.Read();
  status.metrics = metrics_->Collect();
  return status;
}

void Worker::OnToken(SequenceId sequence, TokenOutput output) {
  generate_->OnToken(sequence, output);
}

void Worker::OnFailed(SequenceId sequence, Status status) {
  if (status.blast() == Blast::kWorker) {
    BATON_LOG(Error) << "this worker is sick and ends: " << status.message();
    sick_ = status;
    end_.Open();
  }
  Generated(sequence) ? generate_->OnFailed(sequence, status)
                      : prefill_service_->OnFailed(sequence, std::move(status));
}

void Worker::OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) {
  Generated(sequence) ? generate_->OnBlocks(sequence, std::move(blocks))
                      : prefill_service_->OnBlocks(sequence, std::move(blocks));
}

void Worker::OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                       int32_t tokens) {
  prefill_service_->OnKvReady(sequence, layer_begin, layer_end, tokens);
}

void Worker::OnPrefilled(SequenceId sequence, TokenOutput first) {
  prefill_service_->OnPrefilled(sequence, std::move(first));
}

void Worker::SetPeers(std::vector<rpc::PeerAddress> peers) {
  if (options_.role != Role::kDecode) return;
  transport_thread_->Post([this, peers = std::move(peers)] {
    if (!draining_) peers_->Set(peers);
  });
}

void Worker::OnGenerate(rpc::GenerateCall call, std::shared_ptr<rpc::GenerateStream> stream) {
  if (draining_) {
    stream->Finish(Unavailable("worker " + options_.name + " is draining"));
    return;
  }
  generate_->OnGenerate(NextGenerated(), std::move(call), std::move(stream));
}

void Worker::OnGenerateEnded(rpc::GenerateStream* stream) { generate_->OnGenerateEnded(stream); }

void Worker::OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream) {
  if (options_.role == Role::kDecode) {
    stream->Refuse(FailedPrecondition("worker " + options_.name + " decodes; it does not prefill"));
    return;
  }
  prefill_service_->OnJoin(std::move(hello), std::move(stream));
}

void Worker::OnJoinEnded(rpc::JoinStream* stream) { prefill_service_->OnJoinEnded(stream); }

void Worker::OnMessage(transport::PeerId peer, std::span<const std::byte> message) {
  handoff::SideOf(message) == handoff::Side::kPrefill ? prefill_->OnMessage(peer, message)
                                                      : decode_->OnMessage(peer, message);
}

void Worker::OnTransferDone(transport::PeerId peer, transport::TransferId transfer, Status status) {
  prefill_->OnTransferDone(peer, transfer, status);
}

}  // namespace

Status RunWorker(const WorkerOptions& options, Clock& clock, std::stop_token stop) {
  Worker worker(options, clock);
  BATON_RETURN_IF_ERROR(worker.Build());
  return worker.Serve(std::move(stop));
}

}  // namespace baton::worker
