#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>
#include <sched.h>

#include "baton/base/gate.h"
#include "baton/base/logging.h"
#include "baton/base/units.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/transport/nccl.h"
#include "baton/transport/ucx.h"
#include "calibration.h"
#include "worker_core.h"

namespace baton::worker {
namespace {

/// How often the end of a drain is looked for.
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

/// KV goes from prefill to decode workers only; a mixed worker hands nothing on.
Result<std::unique_ptr<transport::Transport>> MakeTransport(const WorkerOptions& options) {
  BATON_ASSIGN_OR_RETURN(auto ucx,
                         transport::MakeUcxTransport({.transports = options.transport_tls}));
  if (options.transport_kind == "ucx" || options.role == Role::kMixed) return ucx;
  if (options.transport_kind != "nccl") {
    return InvalidArgument("unknown transport '" + options.transport_kind + "'");
  }
  auto nccl = transport::MakeNcclTransport(
      {.sends = options.role == Role::kPrefill, .receives = options.role == Role::kDecode},
      std::move(ucx));
  if (!nccl.ok()) return nccl.status().WithContext("transport.kind is nccl");
  return nccl;
}

/// A worker with its threads and its gRPC server.
class WorkerProcess {
 public:
  WorkerProcess(const WorkerOptions& options, Clock& clock) : options_(options), clock_(clock) {}

  Status Build();
  Status Serve(std::stop_token stop);

 private:
  auto Calibration() -> decltype(WorkerCore::Surroundings::calibrate);
  void StartThreads();
  void LogStart() const;
  void Drain();
  void ShutDown();

  const WorkerOptions options_;
  Clock& clock_;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<WorkerCore> core_;
  std::unique_ptr<rpc::WorkerServer> server_;
  std::jthread engine_thread_;
  Gate end_;
  /// Written by the engine thread; read once that has ended.
  Status sick_;
};

Status WorkerProcess::Build() {
  BATON_RETURN_IF_ERROR(PinToCores(options_.cores));
  BATON_ASSIGN_OR_RETURN(
      model_,
      model::Model::Load(options_.model, {.context_tokens = options_.engine.context_tokens}));
  BATON_ASSIGN_OR_RETURN(transport_, MakeTransport(options_));
  BATON_ASSIGN_OR_RETURN(core_,
                         WorkerCore::Create(options_, {.model = *model_,
                                                       .transport = *transport_,
                                                       .ops = kernels::CpuOps(),
                                                       .dial = rpc::DialOverGrpc(options_.tls),
                                                       .on_sick =
                                                           [this](const Status& status) {
                                                             sick_ = status;
                                                             end_.Open();
                                                           },
                                                       .clock = clock_,
                                                       .calibrate = Calibration()}));
  return OkStatus();
}

auto WorkerProcess::Calibration() -> decltype(WorkerCore::Surroundings::calibrate) {
  if (options_.calibration == Duration::zero()) return {};
  return [this](const engine::EngineOptions& engine, model::StepRunner& runner) {
    const TimePoint begin = clock_.Now();
    auto samples = Calibrate(engine, {*model_, runner, clock_}, options_.calibration);
    BATON_LOG(Debug) << "tried " << samples.size() << " steps in " << Seconds(clock_.Now() - begin)
                     << " s";
    return samples;
  };
}

Status WorkerProcess::Serve(std::stop_token stop) {
  StartThreads();
  auto server =
      rpc::WorkerServer::Start(options_.listen, *core_, options_.status_interval, options_.tls);
  if (!server.ok()) {
    ShutDown();
    return server.status();
  }
  server_ = *std::move(server);
  LogStart();
  if (options_.on_ready) options_.on_ready(server_->address());

  const std::stop_callback on_stop(stop, [this] { end_.Open(); });
  while (!end_.Wait(std::chrono::hours(1))) {
  }
  if (stop.stop_requested()) Drain();
  ShutDown();
  return sick_;
}

void WorkerProcess::StartThreads() {
  engine_thread_ = std::jthread([this](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "engine");
    core_->engine().Run(stop);
  });
  core_->transport_thread().Start([this](TimePoint now) { return core_->Turn(now); });
}

void WorkerProcess::LogStart() const {
  BATON_LOG(Info) << RoleName(options_.role) << " worker listens on " << server_->address()
                  << ": epoch " << core_->Describe().identity.epoch << ", "
                  << kernels::CpuOps().name << " on " << options_.threads << " threads, "
                  << core_->cache().blocks() << " KV blocks of " << options_.block_tokens
                  << " tokens (" << FormatBytes(options_.kv_bytes) << ")";
}

/// Waits until nothing is under way, or for options_.drain.
void WorkerProcess::Drain() {
  core_->StartDraining();
  const TimePoint deadline = clock_.Now() + options_.drain;
  Gate pause;
  while (!core_->drained() && clock_.Now() < deadline) pause.Wait(kPulse);
}

void WorkerProcess::ShutDown() {
  if (server_) server_->Shutdown();
  core_->LeavePeers();
  const TimePoint deadline = clock_.Now() + kEndOfCalls;
  Gate pause;
  while (!core_->left() && clock_.Now() < deadline) pause.Wait(kPulse / 10);
  engine_thread_.request_stop();
  engine_thread_.join();
  core_->transport_thread().Stop();
}

}  // namespace

Status RunWorker(const WorkerOptions& options, Clock& clock, std::stop_token stop) {
  WorkerProcess worker(options, clock);
  BATON_RETURN_IF_ERROR(worker.Build());
  return worker.Serve(std::move(stop));
}

}  // namespace baton::worker
