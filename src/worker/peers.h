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
/// connects the transport, and starts over whenever the join ends or the peer falls silent.
/// *Threads*: lives on the transport thread; `post` brings gRPC's callbacks there.
/// REQUIRES: Close() and then idle() before it is destroyed.
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

  /// `ours` but for its connection.
  Peers(rpc::JoinHello ours, Parts parts, Post post);

  /// Joins with exactly these from now on. Others get no more offers; their joins end once nothing
  /// is under way over them, and are made anew only for the word that ends a quarantine.
  void Set(const std::vector<rpc::PeerAddress>& wanted);
  /// Joins with nobody any more.
  void Close();
  /// Gives up one connection; it is joined anew.
  void Lose(transport::PeerId peer, const Status& status);
  /// The peer showed by a message that it is there.
  void Heard(transport::PeerId peer, TimePoint now);
  /// Dials what is due, gives signs of life, gives up who is silent; returns when something will be
  /// due.
  TimePoint Tick(TimePoint now);

  // Those that take offers.
  std::optional<transport::PeerId> Find(const std::string& name) const;
  std::vector<std::string> joined() const;
  /// Why the others are not joined, as far as that is known.
  std::vector<rpc::JoinProblem> problems() const;
  /// All that are wanted.
  std::vector<rpc::PeerAddress> told() const;
  /// Peers given up because they were silent, so far.
  int64_t silent() const { return silent_; }
  /// No call is under way, so that nothing will be posted any more.
  bool idle() const { return calls_ == 0; }

 private:
  struct Link;

  /// Not wanted, and neither hand-offs nor blocks of any need it.
  bool Settled(const Link& link) const;
  void Replace(Link& link);
  void Forget(const std::function<bool(const Link&)>& which);
  void Dial(const std::shared_ptr<Link>& link);
  void Accepted(const std::shared_ptr<Link>& link, const rpc::JoinHello& hello);
  /// Connects the transport and makes the peer known to the hand-off.
  Status Connect(Link& link, const rpc::JoinHello& hello);
  void Ended(const std::shared_ptr<Link>& link, const Status& status);
  void Drop(Link& link, const Status& status);
  void GiveUp(Link& link, const Status& status);
  void TickJoined(Link& link, TimePoint now);

  const rpc::JoinHello ours_;
  const Parts parts_;
  const Post post_;
  std::map<std::string, std::shared_ptr<Link>> links_;
  int calls_ = 0;
  int64_t silent_ = 0;
};

}  // namespace baton::worker
