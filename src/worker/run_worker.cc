#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <latch>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>

#include "baton/base/gate.h"
#include "baton/base/logging.h"
#include "baton/base/mailbox.h"
#include "baton/base/progress_watch.h"
#include "baton/base/units.h"
#include "baton/device/joined_memory.h"
#include "baton/transport/nccl.h"
#include "baton/transport/ucx.h"
#include "calibration.h"
#include "node_leader.h"
#include "node_model.h"
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

/// KV goes from prefill to decode workers only; a mixed worker hands nothing on.
Result<std::unique_ptr<transport::Transport>> MakeTransport(const WorkerOptions& options,
                                                            device::DeviceMemory* memory,
                                                            NodeLeader& others) {
  BATON_ASSIGN_OR_RETURN(auto ucx,
                         transport::MakeUcxTransport({.transports = options.transport_tls,
                                                      .device_memory = memory,
                                                      .touching_threads = ThreadsOf(options)}));
  if (options.transport_kind == "ucx" || options.role == Role::kMixed) {
    return others.MakeTransport(std::move(ucx));
  }
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

/// A worker with its threads and its gRPC server.
class WorkerProcess {
 public:
  WorkerProcess(const WorkerOptions& options, Clock& clock) : options_(options), clock_(clock) {}

  /// Beside another worker of this process: what it computes on, and the weights of both.
  struct Lent {
    WorkerDevice device;
    std::shared_ptr<model::Model> model;
  };
  Status Build(const std::stop_token& stop, std::optional<Lent> lent = std::nullopt);
  Status Serve(std::stop_token stop);
  /// Ends Serve without a drain. Of any thread.
  void End() { end_.Open(); }

 private:
  /// Waits for the other nodes, where there are any.
  Status GatherNodes(const model::StepLimits& limits, const std::stop_token& stop);
  void OnNodeLost(Status status);
  Status EndWithNodes();
  bool on_gpus() const { return devices_.front().memory != nullptr; }
  auto Calibration() -> decltype(WorkerCore::Surroundings::calibrate);
  auto Spread() -> decltype(WorkerCore::Surroundings::spread);
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
  /// By rank of this node; on the CPU one for all.
  Devices devices_;
  /// Of all devices; null on the CPU.
  std::unique_ptr<device::JoinedMemory> memory_;
  /// By rank of this node.
  Shards shards_;
  /// Null where this node is the whole worker.
  std::unique_ptr<FollowerDoor> door_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<WorkerCore> core_;
  std::unique_ptr<rpc::WorkerServer> server_;
  std::jthread engine_thread_;
  std::optional<ProgressWatch> progress_;
  Gate end_;
  /// Written by the engine thread; read once that has ended.
  Status sick_;
  std::atomic<bool> is_sick_{false};
  /// A node told us to drain.
  std::atomic<bool> drain_{false};
  /// The nodes that are lost; one is enough.
  Mailbox<Status> lost_{64};
  /// Last, as its threads use what is above.
  std::optional<NodeLeader> others_;
};

Status WorkerProcess::Build(const std::stop_token& stop, std::optional<Lent> lent) {
  if (lent) {
    devices_.push_back(std::move(lent->device));
    shards_.push_back(std::move(lent->model));
  }
  BATON_RETURN_IF_ERROR(PinToCores(options_.cores));
  if (options_.nodes > 1) {
    BATON_ASSIGN_OR_RETURN(door_, FollowerDoor::Open(options_.nodes_listen));
  }
  const DeviceChoice choice = ChoiceOf(options_);
  if (devices_.empty()) {
    BATON_ASSIGN_OR_RETURN(devices_, OpenWorkerDevices(choice));
  } else if (on_gpus()) {
    devices_.front().memory->MakeCurrent();
  }
  BATON_ASSIGN_OR_RETURN(collective::Group group, ConnectDevices(choice, devices_));
  if (shards_.empty()) {
    BATON_ASSIGN_OR_RETURN(shards_, LoadShards(options_, devices_, clock_));
  }
  BATON_ASSIGN_OR_RETURN(const model::StepLimits limits,
                         engine::LimitsFor(options_.engine, shards_.front()->config()));
  BATON_ASSIGN_OR_RETURN(NodeGpus gpus, PrepareGpusAndWait(options_, devices_, shards_, limits));
  memory_ = std::move(gpus.memory);
  BATON_ASSIGN_OR_RETURN(options_.kv_bytes, KvBytes(options_, devices_, shards_, limits));
  BATON_RETURN_IF_ERROR(GatherNodes(limits, stop));
  BATON_ASSIGN_OR_RETURN(transport_, MakeTransport(options_, memory_.get(), *others_));
  if (options_.nodes > 1) {
    BATON_ASSIGN_OR_RETURN(const std::string ids, MakeGroupIds(options_));
    BATON_RETURN_IF_ERROR(others_->Start(ids, clock_));
    BATON_ASSIGN_OR_RETURN(group, ConnectNodes(options_, devices_, others_->Sums(), ids));
  }
  std::vector<const model::Model*> other_shards;
  for (size_t rank = 1; rank < shards_.size(); ++rank) other_shards.push_back(shards_[rank].get());
  BATON_ASSIGN_OR_RETURN(core_,
                         WorkerCore::Create(options_, {.model = *shards_.front(),
                                                       .transport = *transport_,
                                                       .ops = *devices_.front().ops,
                                                       .gpus = std::move(gpus.gpus),
                                                       .group = std::move(group),
                                                       .dial = rpc::DialOverGrpc(options_.tls),
                                                       .on_sick =
                                                           [this](const Status& status) {
                                                             sick_ = status;
                                                             is_sick_ = true;
                                                             end_.Open();
                                                           },
                                                       .clock = clock_,
                                                       .other_shards = std::move(other_shards),
                                                       .calibrate = Calibration(),
                                                       .other_regions = others_->Regions(),
                                                       .spread = Spread()}));
  if (options_.nodes > 1) others_->Watch(core_->communicator());
  return OkStatus();
}

Status WorkerProcess::GatherNodes(const model::StepLimits& limits, const std::stop_token& stop) {
  std::vector<JoinedFollower> followers;
  if (options_.nodes > 1) {
    const Agreement ours = AgreementOf(options_, *shards_.front(), limits);
    BATON_ASSIGN_OR_RETURN(followers, door_->GatherAndWait(options_, ours, clock_, stop));
  }
  // All ranks have equally many blocks.
  for (const JoinedFollower& follower : followers) {
    const auto all = static_cast<int64_t>(follower.hello.region_bytes) * options_.tensor_parallel;
    options_.kv_bytes = std::min(options_.kv_bytes, all);
  }
  others_.emplace(
      std::move(followers),
      NodeLeader::Listener{.on_lost = [this](Status lost) { OnNodeLost(std::move(lost)); },
                           .on_drain =
                               [this] {
                                 drain_ = true;
                                 end_.Open();
                               }});
  return OkStatus();
}

void WorkerProcess::OnNodeLost(Status status) {
  lost_.TrySend(std::move(status));
  end_.Open();
}

auto WorkerProcess::Spread() -> decltype(WorkerCore::Surroundings::spread) {
  if (options_.nodes == 1) return {};
  return [this](std::unique_ptr<model::StepRunner> own, collective::Communicator& group) {
    return others_->Spread(std::move(own), group);
  };
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
  if ((stop.stop_requested() || drain_) && lost_.size() == 0) Drain();
  return EndWithNodes();
}

/// The others end with this one: in good order, or because this worker cannot go on.
Status WorkerProcess::EndWithNodes() {
  const std::optional<Status> lost = lost_.TryReceive();
  if (lost) {
    BATON_LOG(Error) << "this worker ends with one of its nodes: " << lost->message();
  }
  const bool in_order = !lost && !is_sick_;
  if (!in_order) others_->Shutdown();
  ShutDown();
  if (in_order) others_->End();
  others_->Shutdown();
  return lost ? *lost : sick_;
}

void WorkerProcess::StartThreads() {
  engine_thread_ = std::jthread([this](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "engine");
    const device::StayOnCores stay(ThreadsOf(options_).CoresOf(0));
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
  BATON_LOG(Info)
      << RoleName(options_.role) << " worker listens on " << server_->address() << ": epoch "
      << core_->Describe().identity.epoch << ", " << devices_.front().ops->name << " on "
      << (memory_ ? std::string(memory_->name()) : std::to_string(options_.threads) + " threads")
      << (options_.random_weights ? " with random weights, " : ", ") << RoundingOf(options_.packing)
      << (options_.tensor_parallel > 1 ? std::to_string(options_.tensor_parallel) + " ranks, " : "")
      << (options_.nodes > 1 ? std::to_string(options_.nodes) + " nodes, " : "")
      << core_->cache().blocks() << " KV blocks of " << options_.block_tokens << " tokens ("
      << FormatBytes(options_.kv_bytes) << ")";
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

/// For two workers of this process; the threads of both load the weights, on the cores of both.
Result<std::array<WorkerProcess::Lent, 2>> OpenForBoth(const WorkerOptions& first,
                                                       const WorkerOptions& second, Clock& clock) {
  WorkerOptions both = first;
  both.threads += second.threads;
  both.cores.insert(both.cores.end(), second.cores.begin(), second.cores.end());
  if (first.cores.empty() || second.cores.empty()) both.cores.clear();
  BATON_RETURN_IF_ERROR(PinToCores(both.cores));
  BATON_ASSIGN_OR_RETURN(auto parts, OpenDeviceParts(ChoiceOf(first), ChoiceOf(second)));
  if (parts[0].memory != nullptr) parts[0].memory->MakeCurrent();
  BATON_ASSIGN_OR_RETURN(const Shards shards, LoadShards(both, {parts.data(), 1}, clock));
  std::array<WorkerProcess::Lent, 2> lent;
  for (size_t i = 0; i < lent.size(); ++i) lent[i] = {std::move(parts[i]), shards.front()};
  return lent;
}

}  // namespace

Status RunWorker(const WorkerOptions& options, Clock& clock, std::stop_token stop) {
  WorkerProcess worker(options, clock);
  if (Status built = worker.Build(stop); !built.ok()) {
    return built.code() == StatusCode::kCancelled ? OkStatus() : built;
  }
  return worker.Serve(std::move(stop));
}

Status RunTwoWorkers(const WorkerOptions& first, const WorkerOptions& second, Clock& clock,
                     std::stop_token stop) {
  BATON_ASSIGN_OR_RETURN(auto lent, OpenForBoth(first, second, clock));
  std::array<WorkerProcess, 2> workers{WorkerProcess(first, clock), WorkerProcess(second, clock)};
  std::array<Status, 2> builds;
  std::array<Status, 2> ends;
  std::latch first_built(1);
  std::latch both_built(2);
  const auto run = [&](size_t own) {
    // The second takes its part of what the first leaves free of a GPU's memory.
    if (own == 1 && first.cuda) first_built.wait();
    builds[own] = workers[own].Build(stop, std::move(lent[own]));
    if (own == 0) first_built.count_down();
    both_built.arrive_and_wait();
    if (!builds[0].ok() || !builds[1].ok()) return;
    ends[own] = workers[own].Serve(stop);
    if (!ends[own].ok()) workers[1 - own].End();
  };
  // A thread for each, as cores that a worker is pinned to are those of the thread that builds it.
  std::jthread beside([&] { run(0); });
  run(1);
  beside.join();
  for (const Status& status : {builds[0], builds[1], ends[0], ends[1]}) {
    if (!status.ok()) return status;
  }
  return OkStatus();
}

}  // namespace baton::worker
