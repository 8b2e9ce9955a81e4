#include <algorithm>
#include <map>
#include <utility>

#include "baton/base/clock.h"
#include "baton/base/logging.h"
#include "baton/base/mailbox.h"
#include "node_frames.h"

namespace baton::transport {
namespace {

constexpr size_t kFrames = 64 * 1024;
/// How often it is looked what disconnected peers can still do.
constexpr Duration kLook = std::chrono::milliseconds(20);

class Follower final : public FollowerTransport, private TransportListener {
 public:
  Follower(Transport& own, nodes::Link& leader) : own_(own), leader_(leader), frames_(kFrames) {
    frames_.OnSend([this] { own_.Wake(); });
    own_.SetListener(this);
  }

  void OnFrame(nodes::Frame frame) override { (void)frames_.TrySend(std::move(frame)); }

  bool Progress() override {
    bool worked = own_.Progress();
    while (const auto frame = frames_.TryReceive()) {
      Take(*frame);
      worked = true;
    }
    LookAtWriters();
    return worked;
  }

  void Run(const std::stop_token& stop) override {
    const std::stop_callback wake(stop, [this] { own_.Wake(); });
    while (!stop.stop_requested()) {
      if (!Progress()) own_.Wait(kLook);
    }
  }

 private:
  struct Peer {
    /// By node of the peer.
    std::vector<PeerId> nodes;
    bool connected = true;
    PeerState state;
  };

  void OnMessage(PeerId /*peer*/, std::span<const std::byte> /*message*/) override {}
  void OnTransferDone(PeerId /*peer*/, TransferId transfer, Status status) override {
    const auto found = transfers_.find(transfer);
    if (found == transfers_.end()) return;
    const uint64_t asked = found->second;
    transfers_.erase(found);
    Tell(NodeFrame::kPutDone, Encode(PutDoneFrame{asked, std::move(status)}));
  }

  /// A leader that is lost ends this node; here it need not be known.
  void Tell(NodeFrame kind, const std::string& body) {
    (void)leader_.Send(static_cast<uint32_t>(kind), body);
  }

  void Take(const nodes::Frame& frame) {
    switch (static_cast<NodeFrame>(frame.kind)) {
      case NodeFrame::kConnect: return TakeConnect(frame);
      case NodeFrame::kDisconnect: return TakeDisconnect(frame);
      case NodeFrame::kPut: return TakePut(frame);
      default: BATON_LOG(Warning) << leader_.peer() << " sends what is no question";
    }
  }

  void TakeConnect(const nodes::Frame& frame) {
    const auto asked = DecodeConnect(frame.body);
    if (!asked.ok()) return;
    ReplyFrame reply{.peer = asked->peer};
    Peer peer;
    reply.status = Connect(*asked, peer);
    if (reply.status.ok()) {
      reply.state = peer.state = StateOf(peer);
      reply.path = own_.FindPath(peer.nodes.front());
      for (const PeerId node : peer.nodes) reply.path = Both(reply.path, own_.FindPath(node));
    } else {
      for (const PeerId node : peer.nodes) own_.Disconnect(node);
      peer.connected = false;
    }
    peers_[asked->peer] = std::move(peer);
    Tell(NodeFrame::kReply, Encode(reply));
  }

  Status Connect(const ConnectFrame& asked, Peer& peer) {
    BATON_ASSIGN_OR_RETURN(const auto nodes, DecodeAddress(asked.address));
    for (const NodeAddress& node : nodes) {
      BATON_ASSIGN_OR_RETURN(const PeerId id, own_.Connect(node.address, asked.connection));
      peer.nodes.push_back(id);
    }
    return OkStatus();
  }

  void TakeDisconnect(const nodes::Frame& frame) {
    const auto asked = DecodeConnect(frame.body);
    if (!asked.ok()) return;
    ReplyFrame reply{.peer = asked->peer};
    reply.state.can_still_write = false;
    if (const auto found = peers_.find(asked->peer); found != peers_.end()) {
      Peer& peer = found->second;
      if (std::exchange(peer.connected, false)) {
        for (const PeerId node : peer.nodes) own_.Disconnect(node);
      }
      // Puts that end so are told of before the reply.
      own_.Progress();
      reply.state = peer.state = StateOf(peer);
    }
    Tell(NodeFrame::kReply, Encode(reply));
  }

  void TakePut(const nodes::Frame& frame) {
    const auto asked = DecodePut(frame.body);
    if (!asked.ok()) return;
    const auto peer = peers_.find(asked->peer);
    Result<TransferId> put = Unavailable("not connected");
    if (peer != peers_.end() && peer->second.connected &&
        asked->peer_node < peer->second.nodes.size()) {
      put = own_.Put(peer->second.nodes[asked->peer_node], asked->descriptors);
    }
    if (put.ok()) {
      transfers_[*put] = asked->transfer;
    } else {
      Tell(NodeFrame::kPutDone, Encode(PutDoneFrame{asked->transfer, put.status()}));
    }
  }

  PeerState StateOf(const Peer& peer) const {
    const auto any = [&](auto member) {
      return std::ranges::any_of(peer.nodes, [&](PeerId node) { return (own_.*member)(node); });
    };
    return {.can_still_write = any(&Transport::CanStillWrite),
            .is_there = any(&Transport::IsThere)};
  }

  void LookAtWriters() {
    const TimePoint now = Clock::System().Now();
    if (now < next_look_) return;
    next_look_ = now + kLook;
    for (auto entry = peers_.begin(); entry != peers_.end();) {
      auto& [number, peer] = *entry;
      const PeerState state = peer.connected ? peer.state : StateOf(peer);
      if (state.can_still_write != peer.state.can_still_write ||
          state.is_there != peer.state.is_there) {
        peer.state = state;
        Tell(NodeFrame::kWriters, Encode(ReplyFrame{.peer = number, .state = state}));
      }
      const bool over = !peer.connected && !state.can_still_write;
      entry = over ? peers_.erase(entry) : std::next(entry);
    }
  }

  Transport& own_;
  nodes::Link& leader_;
  Mailbox<nodes::Frame> frames_;
  /// By the leader's number.
  std::map<uint32_t, Peer> peers_;
  /// The leader's numbers, by ours.
  std::map<TransferId, uint64_t> transfers_;
  TimePoint next_look_{};
};

}  // namespace

std::unique_ptr<FollowerTransport> FollowerTransport::Make(Transport& own, nodes::Link& leader) {
  return std::make_unique<Follower>(own, leader);
}

}  // namespace baton::transport
