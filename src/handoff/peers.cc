#include "peers.h"

#include "baton/base/logging.h"

namespace baton::handoff {

Status Peers::Add(transport::PeerId peer, const PeerDescription& description) {
  BATON_RETURN_IF_ERROR(CheckCompatible(own_, description.worker));
  const bool added =
      peers_
          .try_emplace(peer, Peer{description.worker.epoch, description.connection,
                                  description.worker.name, description.worker.geometry})
          .second;
  if (!added) return AlreadyExists("the peer is joined already");
  return OkStatus();
}

Peers::Peer* Peers::Find(transport::PeerId peer) {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? nullptr : &found->second;
}

Decoded Peers::Receive(transport::PeerId peer, std::span<const std::byte> bytes) {
  const Peer* from = Find(peer);
  if (from == nullptr) return Ignored::kUnknownPeer;
  Decoded decoded = Decode(bytes);
  const Message* message = std::get_if<Message>(&decoded);
  if (message == nullptr) return decoded;
  const Envelope& envelope = message->envelope;
  if (envelope.from != from->epoch || envelope.to != own_.epoch ||
      envelope.connection != from->connection) {
    return Ignored::kWrongEpoch;
  }
  return decoded;
}

void Peers::LogUnsent(HandoffId handoff, const Status& status) {
  BATON_LOG(Debug) << "a message of hand-off " << Index(handoff) << " was not sent: " << status;
}

}  // namespace baton::handoff
