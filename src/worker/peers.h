#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/handoff/decode_side.h"
#include "baton/rpc/client.h"
#include "baton/transport/transport.h"
#include "metrics.h"

namespace baton::worker {

/// Keeps a decode worker joined with the prefill workers that the router names: dials, says hello,
/// connects the transport, and starts over whenever the join ends.
/// *Threads*: lives on the transport thread; `post` brings gRPC's callbacks there.
/// REQUIRES: Set({}) and then idle() before it is destroyed.
class Peers {
 public:
  using Post = std::function<void(std::function<void()>)>;

  struct Parts {
    transport::Transport& transport;
    handoff::DecodeSide& decode;
    WorkerMetrics& metrics;
    rpc::DialWorker dial;
    Clock& clock;
    /// What KV may come over.
    transport::RequiredPaths required;
  };

  Peers(rpc::WorkerDescription ours, Parts parts, Post post);

  /// Joins with exactly these from now on.
  void Set(const std::vector<rpc::PeerAddress>& wanted);
  /// Gives up one connection; it is joined anew.
  void Lose(transport::PeerId peer, const Status& status);
  /// Dials what is due; returns when something will be.
  TimePoint Tick(TimePoint now);

  std::optional<transport::PeerId> Find(const std::string& name) const;
  std::vector<std::string> joined() const;
  /// Why the others are not joined, as far as that is known.
  std::vector<rpc::JoinProblem> problems() const;
  /// No call is under way, so that nothing will be posted any more.
  bool idle() const { return calls_ == 0; }

 private:
  struct Link;

  void Dial(const std::shared_ptr<Link>& link);
  void Accepted(const std::shared_ptr<Link>& link, const rpc::JoinHello& hello);
  /// Connects the transport and makes the peer known to the hand-off.
  Status Connect(Link& link, const rpc::JoinHello& hello);
  void Ended(const std::shared_ptr<Link>& link, const Status& status);
  void Drop(Link& link, const Status& status);

  const rpc::WorkerDescription ours_;
  const Parts parts_;
  const Post post_;
  std::map<std::string, std::shared_ptr<Link>> links_;
  int calls_ = 0;
};

}  // namespace baton::worker
