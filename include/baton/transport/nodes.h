#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "baton/nodes/link.h"
#include "baton/transport/transport.h"

namespace baton::transport {

/// The frames of a link between nodes from this kind on are a transport's.
inline constexpr uint32_t kFirstTransportFrame = 16;

/// What the leader of a worker over several nodes knows of a follower's transport.
struct NodeEnd {
  std::shared_ptr<nodes::Link> link;
  std::string address;
  /// The ranks that it has.
  uint32_t regions = 0;
};

/// A transport made of those of a worker's nodes, on the leader: its regions are those of all
/// nodes, in their order, of which AllocateRegion() gives the leader's own. Puts from a follower's
/// region are asked of it; messages are the leader's own. With no followers its address is that of
/// its own transport. It connects to peers of one node and of several.
class NodesTransport : public Transport {
 public:
  /// `own` is the leader's own transport.
  static std::unique_ptr<NodesTransport> Make(std::unique_ptr<Transport> own,
                                              std::vector<NodeEnd> followers);
  /// What came over the link of a follower, of whom there are as many as in Make(). Thread-safe.
  virtual void OnFrame(size_t follower, nodes::Frame frame) = 0;
};

/// Does on a follower, by its own transport, what its leader's asks.
class FollowerTransport {
 public:
  virtual ~FollowerTransport() = default;
  /// Both outlive it.
  static std::unique_ptr<FollowerTransport> Make(Transport& own, nodes::Link& leader);
  /// What came over the link. Thread-safe.
  virtual void OnFrame(nodes::Frame frame) = 0;
  /// One turn of the thread that it lives on, which Make() and Run() may be other ones than.
  virtual bool Progress() = 0;
  /// Takes turns until then.
  virtual void Run(const std::stop_token& stop) = 0;
};

}  // namespace baton::transport
