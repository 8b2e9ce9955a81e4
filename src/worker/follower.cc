#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>

#include "baton/base/logging.h"
#include "baton/base/mailbox.h"
#include "baton/base/units.h"
#include "baton/model/node_steps.h"
#include "baton/nodes/link_thread.h"
#include "baton/rpc/server.h"
#include "baton/transport/nodes.h"
#include "baton/transport/ucx.h"
#include "node_join.h"
#include "node_model.h"
#include "node_silence.h"
#include "ranks.h"

namespace baton::worker {
namespace {

/// How often it is looked whether to stop.
constexpr Duration kLook = std::chrono::milliseconds(100);
/// Between the end of the steps and the leader's word about why.
constexpr Duration kPatience = std::chrono::seconds(2);

/// A follower with its threads.
class FollowerProcess {
 public:
  FollowerProcess(const WorkerOptions& options, Clock& clock) : options_(options), clock_(clock) {}

  Status Build(const std::stop_token& stop);
  Status Serve(const std::stop_token& stop);

 private:
  Result<FollowerHello> Hello() const;
  void StartThreads();
  void OnFrame(nodes::Frame frame);
  Status AwaitEnd(const std::stop_token& stop);

  WorkerOptions options_;
  Clock& clock_;
  Devices devices_;
  Shards shards_;
  /// Of all devices; null on the CPU.
  std::unique_ptr<device::JoinedMemory> memory_;
  model::StepLimits limits_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<rpc::HealthServer> health_;
  std::unique_ptr<Ranks> ranks_;
  NodeLinks links_;
  std::unique_ptr<model::StepRunner> runner_;
  std::unique_ptr<transport::FollowerTransport> follower_;
  /// How this node ended: by its leader's word, by its link, or by its steps.
  Mailbox<Status> ended_{4};
  Mailbox<Status> steps_ended_{1};
  std::unique_ptr<nodes::LinkThread> control_;
  std::jthread transport_thread_;
  std::jthread engine_thread_;
};

Status FollowerProcess::Build(const std::stop_token& stop) {
  BATON_RETURN_IF_ERROR(PinToCores(options_.cores));
  // Whoever supervises this process asks from here on.
  BATON_ASSIGN_OR_RETURN(health_, rpc::HealthServer::Start(options_.listen, options_.tls));
  BATON_ASSIGN_OR_RETURN(devices_, OpenWorkerDevices(ChoiceOf(options_)));
  BATON_ASSIGN_OR_RETURN(shards_, LoadShards(options_, devices_, clock_));
  BATON_ASSIGN_OR_RETURN(limits_, engine::LimitsFor(options_.engine, shards_.front()->config()));
  BATON_ASSIGN_OR_RETURN(NodeGpus gpus, PrepareGpusAndWait(options_, devices_, shards_, limits_));
  memory_ = std::move(gpus.memory);
  BATON_ASSIGN_OR_RETURN(options_.kv_bytes, KvBytes(options_, devices_, shards_, limits_));
  BATON_ASSIGN_OR_RETURN(transport_,
                         transport::MakeUcxTransport({.transports = options_.transport_tls,
                                                      .device_memory = memory_.get(),
                                                      .touching_threads = ThreadsOf(options_)}));
  Ranks::Parts parts{.shards = {},
                     .transport = *transport_,
                     .ops = *devices_.front().ops,
                     .gpus = std::move(gpus.gpus)};
  for (const auto& shard : shards_) parts.shards.push_back(shard.get());
  BATON_ASSIGN_OR_RETURN(ranks_, Ranks::Create(options_, std::move(parts)));
  BATON_ASSIGN_OR_RETURN(const FollowerHello hello, Hello());
  BATON_ASSIGN_OR_RETURN(JoinedLeader joined,
                         JoinLeaderAndWait(options_.leader, hello, clock_, stop));
  links_ = std::move(joined.links);
  BATON_ASSIGN_OR_RETURN(collective::Group group,
                         ConnectNodes(options_, devices_, {links_.sums}, joined.group_ids));
  BATON_ASSIGN_OR_RETURN(runner_, ranks_->MakeRunner(limits_, std::move(group)));
  follower_ = transport::FollowerTransport::Make(*transport_, *links_.control);
  return OkStatus();
}

Result<FollowerHello> FollowerProcess::Hello() const {
  BATON_ASSIGN_OR_RETURN(std::string address, transport_->Address());
  return FollowerHello{.node = options_.node_rank,
                       .agreement = AgreementOf(options_, *shards_.front(), limits_),
                       .transport_address = std::move(address),
                       .regions = static_cast<uint32_t>(ranks_->size()),
                       .region_bytes = ranks_->regions().front().bytes};
}

void FollowerProcess::StartThreads() {
  transport_thread_ = std::jthread([this](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "transport");
    follower_->Run(stop);
  });
  control_ = std::make_unique<nodes::LinkThread>(
      links_.control, kNodeSilence, clock_,
      nodes::LinkThread::Listener{
          .on_frame = [this](nodes::Frame frame) { OnFrame(std::move(frame)); },
          .on_lost = [this](Status status) { ended_.TrySend(std::move(status)); }});
  engine_thread_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "engine");
    const device::StayOnCores stay(ThreadsOf(options_).CoresOf(0));
    if (memory_) devices_.front().memory->MakeCurrent();
    steps_ended_.TrySend(model::FollowSteps(*runner_, *links_.steps, ranks_->communicator()));
  });
}

void FollowerProcess::OnFrame(nodes::Frame frame) {
  if (frame.kind >= transport::kFirstTransportFrame) {
    follower_->OnFrame(std::move(frame));
  } else if (frame.kind == static_cast<uint32_t>(NodeMessage::kEnd)) {
    ended_.TrySend(OkStatus());
  }
}

Status FollowerProcess::Serve(const std::stop_token& stop) {
  StartThreads();
  BATON_LOG(Info) << "node " << options_.node_rank << " of a " << RoleName(options_.role)
                  << " worker, " << ranks_->size() << (ranks_->size() == 1 ? " rank" : " ranks")
                  << " from rank " << options_.node_rank * options_.ranks_per_node() << " on, "
                  << ranks_->cache(0).blocks() << " KV blocks; health at " << health_->address();
  if (options_.on_ready) options_.on_ready(health_->address());
  const Status ended = AwaitEnd(stop);
  links_.Shutdown();
  ranks_->communicator().Abort(Unavailable("this node ends"));
  engine_thread_.join();
  control_.reset();
  transport_thread_.request_stop();
  transport_thread_.join();
  return ended;
}

/// A follower that is told to end asks the leader to drain: what runs there needs it.
Status FollowerProcess::AwaitEnd(const std::stop_token& stop) {
  bool asked = false;
  int dumped = 0;
  while (true) {
    if (auto ended = ended_.Receive(kLook)) return *std::move(ended);
    if (auto steps = steps_ended_.TryReceive()) {
      auto ended = ended_.Receive(kPatience);
      return ended ? *std::move(ended) : *std::move(steps);
    }
    const int dumps = options_.dumps ? options_.dumps() : 0;
    if (std::exchange(dumped, dumps) != dumps) {
      BATON_LOG(Info) << "dump: node " << options_.node_rank
                      << " has no requests or hand-offs of its own; node 0 has the worker's";
    }
    if (stop.stop_requested() && !std::exchange(asked, true)) {
      BATON_LOG(Info) << "asks the leader to drain";
      (void)links_.control->Send(static_cast<uint32_t>(NodeMessage::kDrain));
    }
  }
}

}  // namespace

Status RunFollower(const WorkerOptions& options, Clock& clock, std::stop_token stop) {
  FollowerProcess follower(options, clock);
  if (Status built = follower.Build(stop); !built.ok()) {
    return built.code() == StatusCode::kCancelled ? OkStatus() : built;
  }
  return follower.Serve(stop);
}

}  // namespace baton::worker
