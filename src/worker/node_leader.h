#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "baton/collective/communicator.h"
#include "baton/model/node_steps.h"
#include "baton/nodes/link_thread.h"
#include "baton/transport/nodes.h"
#include "node_join.h"

namespace baton::worker {

/// What the leader of a worker over several nodes has of the others.
/// *Threads*: lives on the main thread; listens on one for each follower.
class NodeLeader {
 public:
  struct Listener {
    /// A follower is lost, and so this worker. On any thread.
    std::function<void(Status)> on_lost;
    /// A follower was told to end.
    std::function<void()> on_drain;
  };

  NodeLeader(std::vector<JoinedFollower> followers, Listener listener)
      : followers_(std::move(followers)), listener_(std::move(listener)) {}

  /// The worker's transport, of which `own` is this node's; outlived by this.
  std::unique_ptr<transport::Transport> MakeTransport(std::unique_ptr<transport::Transport> own);
  /// The links for sums.
  std::vector<std::shared_ptr<nodes::Link>> Sums() const;
  /// Those of the other nodes' ranks.
  std::vector<transport::MemoryRegion> Regions() const;
  /// Of all nodes, where `own` is this node's.
  Result<std::unique_ptr<model::StepRunner>> Spread(std::unique_ptr<model::StepRunner> own,
                                                    collective::Communicator& group) const;
  /// Lets the others begin, with what ConnectNodes() wants, and listens to them from here on.
  /// REQUIRES: there is a transport.
  Status Start(const std::string& group_ids, Clock& clock);
  /// From here on also ends this group with a node that is lost; it outlives this.
  void Watch(collective::Communicator& group);
  /// Tells the others that this worker ends in good order.
  void End();
  /// Ends all links: nobody waits for another node any more.
  void Shutdown();

 private:
  void OnLost(const Status& status);
  void OnFrame(size_t follower, nodes::Frame frame);

  const std::vector<JoinedFollower> followers_;
  const Listener listener_;
  transport::NodesTransport* transport_ = nullptr;
  std::atomic<collective::Communicator*> group_{nullptr};
  std::atomic<bool> lost_{false};
  std::vector<std::unique_ptr<nodes::LinkThread>> threads_;
};

}  // namespace baton::worker
