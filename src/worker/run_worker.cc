#include <algorithm>
#include <array>
#include <cstdlib>
#include <latch>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>
#include <sched.h>

#include "baton/base/gate.h"
#include "baton/base/logging.h"
#include "baton/base/progress_watch.h"
#include "baton/base/units.h"
#include "baton/device/joined_memory.h"
#include "baton/transport/nccl.h"
#include "baton/transport/ucx.h"
#include "calibration.h"
#include "worker_core.h"
#include "worker_device.h"

namespace baton::worker {
namespace {

/// How often the end of a drain is looked for.
constexpr Duration kPulse = std::chrono::milliseconds(50);
/// How often it is looked whether the threads get ahead, or several times within the limit.
constexpr Duration kLook = std::chrono::seconds(1);
/// What a process ends with whose threads are stuck.
constexpr int kStuckExitCode = 1;
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
Result<std::unique_ptr<transport::Transport>> MakeTransport(const WorkerOptions& options,
                                                            device::DeviceMemory* memory) {
  BATON_ASSIGN_OR_RETURN(auto ucx, transport::MakeUcxTransport({.transports = options.transport_tls,
                                                                .device_memory = memory}));
  if (options.transport_kind == "ucx" || options.role == Role::kMixed) return ucx;
  if (options.transport_kind != "nccl") {
    return InvalidArgument("unknown transport '" + options.transport_kind + "'");
  }
  auto nccl = transport::MakeNcclTransport({.device = options.cuda.value_or(0),
                                            .sends = options.role == Role::kPrefill,
                                            .receives = options.role == Role::kDecode},
                                           std::move(ucx));
  if (!nccl.ok()) return nccl.status().WithContext("transport.kind is nccl");
  return nccl;
}

/// Tells of weights that take long to load, a line for every tenth.
class LoadLog {
 public:
  explicit LoadLog(const std::string& device) : device_(device) {}
  void operator()(int64_t done, int64_t total) {
    const int64_t tenths = 10 * done / total;
    if (total < kGiB || tenths == told_) return;
    told_ = tenths;
    BATON_LOG(Info) << "weights on " << device_ << ": " << FormatBytes(done) << " of "
                    << FormatBytes(total);
  }

 private:
  const std::string device_;
  int64_t told_ = 0;
};

/// A worker with its threads and its gRPC server.
class WorkerProcess {
 public:
  WorkerProcess(const WorkerOptions& options, Clock& clock) : options_(options), clock_(clock) {}

  /// Beside another worker of this process: what it computes on, and the other's weights; null: its
  /// own.
  struct Lent {
    WorkerDevice device;
    std::shared_ptr<model::Model> model;
  };
  Status Build(std::optional<Lent> lent = std::nullopt);
  Status Serve(std::stop_token stop);
  /// Ends Serve without a drain. Of any thread.
  void End() { end_.Open(); }
  bool built() const { return core_ != nullptr; }
  /// Once built.
  const std::shared_ptr<model::Model>& model() const { return shards_.front(); }

 private:
  Status LoadShards();
  Result<int64_t> KvBytes(const model::StepLimits& limits) const;
  bool on_gpus() const { return devices_.front().memory != nullptr; }
  auto Calibration() -> decltype(WorkerCore::Surroundings::calibrate);
  void StartThreads();
  void LogStart() const;
  void Drain();
  void ShutDown();
  /// Does not return when one of the threads is stuck: nothing that waits for it would, either.
  void LookForStuckThreads();
  void DumpIfAsked();

  WorkerOptions options_;
  Clock& clock_;
  /// Dumps that were asked for and made.
  int dumped_ = 0;
  /// By rank; on the CPU one for all.
  std::vector<WorkerDevice> devices_;
  /// Of all devices; null on the CPU.
  std::unique_ptr<device::JoinedMemory> memory_;
  /// By rank.
  std::vector<std::shared_ptr<model::Model>> shards_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<WorkerCore> core_;
  std::unique_ptr<rpc::WorkerServer> server_;
  std::jthread engine_thread_;
  std::optional<ProgressWatch> progress_;
  Gate end_;
  /// Written by the engine thread; read once that has ended.
  Status sick_;
};

DeviceChoice ChoiceOf(const WorkerOptions& options) {
  return {.cuda = options.cuda,
          .ranks = options.tensor_parallel,
          .sm_percent = options.sm_percent,
          .deterministic = options.deterministic,
          .early_launches = options.early_launches};
}

Status WorkerProcess::Build(std::optional<Lent> lent) {
  BATON_RETURN_IF_ERROR(PinToCores(options_.cores));
  const DeviceChoice choice = ChoiceOf(options_);
  if (lent) {
    devices_.push_back(std::move(lent->device));
    if (on_gpus()) devices_.front().memory->MakeCurrent();
  } else {
    BATON_ASSIGN_OR_RETURN(devices_, OpenWorkerDevices(choice));
  }
  BATON_ASSIGN_OR_RETURN(collective::Group group, ConnectDevices(choice, devices_));
  if (lent && lent->model != nullptr) {
    shards_.push_back(std::move(lent->model));
  } else {
    BATON_RETURN_IF_ERROR(LoadShards());
  }
  BATON_ASSIGN_OR_RETURN(const model::StepLimits limits,
                         engine::LimitsFor(options_.engine, shards_.front()->config()));
  std::vector<WorkerCore::Gpu> gpus;
  std::vector<device::DeviceMemory*> memories;
  for (size_t rank = 0; on_gpus() && rank < devices_.size(); ++rank) {
    const WorkerDevice& device = devices_[rank];
    BATON_RETURN_IF_ERROR(
        PrepareProductsAndWait(device, *shards_[rank], limits, options_.deterministic));
    gpus.push_back({.memory = *device.memory, .stream = *device.stream});
    memories.push_back(device.memory.get());
  }
  if (on_gpus()) {
    devices_.front().memory->MakeCurrent();
    memory_ = std::make_unique<device::JoinedMemory>(memories);
  }
  BATON_ASSIGN_OR_RETURN(options_.kv_bytes, KvBytes(limits));
  BATON_ASSIGN_OR_RETURN(transport_, MakeTransport(options_, memory_.get()));
  std::vector<const model::Model*> other_shards;
  for (size_t rank = 1; rank < shards_.size(); ++rank) other_shards.push_back(shards_[rank].get());
  BATON_ASSIGN_OR_RETURN(core_,
                         WorkerCore::Create(options_, {.model = *shards_.front(),
                                                       .transport = *transport_,
                                                       .ops = *devices_.front().ops,
                                                       .gpus = std::move(gpus),
                                                       .group = std::move(group),
                                                       .dial = rpc::DialOverGrpc(options_.tls),
                                                       .on_sick =
                                                           [this](const Status& status) {
                                                             sick_ = status;
                                                             end_.Open();
                                                           },
                                                       .clock = clock_,
                                                       .other_shards = std::move(other_shards),
                                                       .calibrate = Calibration()}));
  return OkStatus();
}

Status WorkerProcess::LoadShards() {
  for (int32_t rank = 0; rank < options_.tensor_parallel; ++rank) {
    const WorkerDevice& device = devices_[on_gpus() ? static_cast<size_t>(rank) : 0];
    BATON_ASSIGN_OR_RETURN(
        std::unique_ptr<model::Model> shard,
        model::Model::Load(options_.model, {.context_tokens = options_.engine.context_tokens,
                                            .memory = device.memory.get(),
                                            .ops = device.ops,
                                            .threads = options_.threads,
                                            .packing = options_.packing,
                                            .weights_dtype = device.weights_dtype,
                                            .random_weights = options_.random_weights,
                                            .on_progress = LoadLog(device.name),
                                            .rank = rank,
                                            .ranks = options_.tensor_parallel}));
    shards_.push_back(std::move(shard));
  }
  return OkStatus();
}

/// All ranks have equally many blocks, so the GPU with the least memory rules.
Result<int64_t> WorkerProcess::KvBytes(const model::StepLimits& limits) const {
  if (options_.kv_percent == 0 || !on_gpus()) return options_.kv_bytes;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (size_t rank = 0; rank < devices_.size(); ++rank) {
    BATON_ASSIGN_OR_RETURN(const int64_t bytes,
                           KvBytesOn(devices_[rank],
                                     {.model = *shards_[rank],
                                      .ops = *devices_[rank].ops,
                                      .limits = limits,
                                      .block_tokens = options_.block_tokens,
                                      .replayed_rows = options_.graph_sequences},
                                     options_.kv_percent));
    least = std::min(least, bytes);
  }
  return least * static_cast<int64_t>(devices_.size());
}

auto WorkerProcess::Calibration() -> decltype(WorkerCore::Surroundings::calibrate) {
  if (options_.calibration == Duration::zero()) return {};
  return [this](const engine::EngineOptions& engine, model::StepRunner& runner) {
    const TimePoint begin = clock_.Now();
    auto samples = Calibrate(engine, {*shards_.front(), runner, clock_}, options_.calibration);
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
  progress_.emplace(options_.progress);
  while (!end_.Wait(std::min<Duration>(kLook, options_.progress / 8))) {
    LookForStuckThreads();
    DumpIfAsked();
  }
  if (stop.stop_requested()) Drain();
  ShutDown();
  return sick_;
}

void WorkerProcess::StartThreads() {
  engine_thread_ = std::jthread([this](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "engine");
    if (on_gpus()) devices_.front().memory->MakeCurrent();
    core_->engine().Run(stop);
  });
  core_->transport_thread().Start([this](TimePoint now) { return core_->Turn(now); });
}

/// Of weights, for the log.
std::string_view RoundingOf(ops::Packing packing) {
  if (packing == ops::Packing::kInt8) return "weights rounded to int8, ";
  if (packing == ops::Packing::kW8A8) return "weights and activations rounded to int8, ";
  if (packing == ops::Packing::kW16A16) return "weights and activations rounded to bfloat16, ";
  return "";
}

void WorkerProcess::LogStart() const {
  BATON_LOG(Info) << RoleName(options_.role) << " worker listens on " << server_->address()
                  << ": epoch " << core_->Describe().identity.epoch << ", "
                  << devices_.front().ops->name << " on "
                  << (memory_ ? std::string(memory_->name())
                              : std::to_string(options_.threads) + " threads")
                  << (options_.random_weights ? " with random weights, " : ", ")
                  << RoundingOf(options_.packing)
                  << (shards_.size() > 1 ? std::to_string(shards_.size()) + " ranks, " : "")
                  << core_->cache().blocks() << " KV blocks of " << options_.block_tokens
                  << " tokens (" << FormatBytes(options_.kv_bytes) << ")";
}

/// Waits until nothing is under way, or for options_.drain.
void WorkerProcess::Drain() {
  core_->StartDraining(options_.drain);
  const TimePoint deadline = clock_.Now() + options_.drain;
  Gate pause;
  while (!core_->drained() && clock_.Now() < deadline) {
    pause.Wait(kPulse);
    LookForStuckThreads();
    DumpIfAsked();
  }
}

void WorkerProcess::LookForStuckThreads() {
  const auto stuck = progress_->Look(core_->Loops(), clock_.Now());
  if (!stuck) return;
  BATON_LOG(Error) << "this worker is stuck and ends: its " << *stuck
                   << " thread has something to do and got nothing done for "
                   << Seconds(options_.progress) << " s (timeouts.worker_progress)";
  core_->DumpWork("what the " + *stuck + " thread leaves behind");
  std::_Exit(kStuckExitCode);
}

void WorkerProcess::DumpIfAsked() {
  const int asked = options_.dumps ? options_.dumps() : 0;
  if (std::exchange(dumped_, asked) != asked) core_->DumpWork("asked by SIGUSR1");
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

Status RunTwoWorkers(const WorkerOptions& first, const WorkerOptions& second, Clock& clock,
                     std::stop_token stop) {
  BATON_ASSIGN_OR_RETURN(auto parts, OpenDeviceParts(ChoiceOf(first), ChoiceOf(second)));
  std::array<WorkerProcess, 2> workers{WorkerProcess(first, clock), WorkerProcess(second, clock)};
  std::array<Status, 2> ends;
  std::latch built(1);
  // A thread for each, as cores that a worker is pinned to are those of the thread that builds it.
  std::jthread beside([&] {
    ends[0] = workers[0].Build(WorkerProcess::Lent{.device = std::move(parts[0])});
    built.count_down();
    if (!ends[0].ok()) return;
    ends[0] = workers[0].Serve(stop);
    if (!ends[0].ok()) workers[1].End();
  });
  built.wait();
  const auto run_second = [&]() -> Status {
    if (!workers[0].built()) return OkStatus();
    BATON_RETURN_IF_ERROR(workers[1].Build(
        WorkerProcess::Lent{.device = std::move(parts[1]), .model = workers[0].model()}));
    return workers[1].Serve(stop);
  };
  ends[1] = run_second();
  if (!ends[1].ok()) workers[0].End();
  beside.join();
  return ends[0].ok() ? ends[1] : ends[0];
}

}  // namespace baton::worker
