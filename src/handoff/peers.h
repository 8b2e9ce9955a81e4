#pragma once

#include <map>
#include <optional>
#include <variant>

#include "baton/handoff/worker_description.h"
#include "wire.h"

namespace baton::handoff {

/// The joined peers of one side, and what every message is checked for.
class Peers {
 public:
  struct Peer {
    Epoch epoch;
    uint64_t connection = 0;
    std::string name;
    kv::KvGeometry geometry;
    /// Prefill side: the greatest hand-off id offered so far.
    uint64_t last_offer = 0;
  };

  Peers(WorkerDescription own, transport::Transport& transport)
      : own_(std::move(own)), transport_(transport) {}

  /// Fails with FailedPrecondition or AlreadyExists.
  Status Add(transport::PeerId peer, const PeerDescription& description);
  void Remove(transport::PeerId peer) { peers_.erase(peer); }
  Peer* Find(transport::PeerId peer);

  /// The message when it is one from this peer to us over this connection.
  Decoded Receive(transport::PeerId peer, std::span<const std::byte> bytes);

  /// Fails with Unavailable when the peer is not here or takes nothing.
  template <typename Body>
  Status Send(transport::PeerId peer, HandoffId handoff, Body body) {
    const Peer* to = Find(peer);
    if (to == nullptr) return Unavailable("the peer is not joined");
    const std::string bytes =
        Encode({{own_.epoch, to->epoch, to->connection, handoff}, std::move(body)});
    return transport_.Send(peer, std::as_bytes(std::span(bytes)));
  }

  /// Sends what the peer can do without: a lost one is noticed elsewhere.
  template <typename Body>
  void Tell(transport::PeerId peer, HandoffId handoff, Body body) {
    const Status sent = Send(peer, handoff, std::move(body));
    if (!sent.ok()) LogUnsent(handoff, sent);
  }

 private:
  static void LogUnsent(HandoffId handoff, const Status& status);

  const WorkerDescription own_;
  transport::Transport& transport_;
  std::map<transport::PeerId, Peer> peers_;
};

}  // namespace baton::handoff
