#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "baton/base/mailbox.h"
#include "node_frames.h"

namespace baton::transport {
namespace {

/// Frames of one follower that wait for the transport thread.
constexpr size_t kFrames = 64 * 1024;
/// A follower that does not answer for so long is lost.
constexpr Duration kPatience = std::chrono::seconds(5);

/// Puts of our regions and of the peer's are between these nodes.
using NodePair = std::pair<size_t, size_t>;

class Transports final : public NodesTransport, private TransportListener {
 public:
  Transports(std::unique_ptr<Transport> own, std::vector<NodeEnd> followers)
      : own_(std::move(own)), followers_(std::move(followers)) {
    own_->SetListener(this);
    for (size_t i = 0; i < followers_.size(); ++i) {
      frames_.push_back(std::make_unique<Mailbox<nodes::Frame>>(kFrames));
      frames_.back()->OnSend([this] { own_->Wake(); });
    }
  }

  std::string_view name() const override { return own_->name(); }
  void SetListener(TransportListener* listener) override { listener_ = listener; }
  Result<MemoryRegion> AllocateRegion(size_t bytes, MemoryKind memory) override {
    BATON_ASSIGN_OR_RETURN(const MemoryRegion region, own_->AllocateRegion(bytes, memory));
    ++own_regions_;
    return region;
  }
  Result<std::string> Address() const override;
  Result<PeerId> Connect(const std::string& peer_address, uint64_t connection) override;
  void Prepare(PeerId peer) override;
  void Disconnect(PeerId peer) override;
  bool CanStillWrite(PeerId peer) const override;
  bool IsThere(PeerId peer) const override;
  DroppedCounts dropped() const override { return own_->dropped(); }
  Status Send(PeerId peer, std::span<const std::byte> message) override;
  Result<TransferId> Put(PeerId peer, std::span<const Descriptor> descriptors) override;
  bool Progress() override;
  void Wait(Duration timeout) override { own_->Wait(timeout); }
  void Wake() override { own_->Wake(); }
  Path OfferedPaths() const override { return own_->OfferedPaths(); }
  Path FindPath(PeerId peer) const override;
  std::optional<PathCost> CostOf(PeerId peer) const override;

  void OnFrame(size_t follower, nodes::Frame frame) override {
    (void)frames_[follower]->TrySend(std::move(frame));
  }

 private:
  /// What a node of a peer is to us.
  struct PeerNode {
    PeerId own{};
    /// Its regions are those of the peer from here on, so many.
    uint32_t first_region = 0;
    uint32_t regions = ~uint32_t{0};
  };
  struct Peer {
    std::vector<PeerNode> nodes;
    bool connected = true;
    /// By follower.
    std::vector<PeerState> states;
    std::vector<Path> paths;
  };
  /// A put of which parts are under way.
  struct Transfer {
    PeerId peer{};
    size_t parts = 0;
    Status status;
  };

  void OnMessage(PeerId peer, std::span<const std::byte> message) override;
  void OnTransferDone(PeerId peer, TransferId transfer, Status status) override;

  const Peer* Find(PeerId peer) const {
    const auto found = peers_.find(peer);
    return found == peers_.end() ? nullptr : &found->second;
  }
  Status ConnectOwn(const std::vector<NodeAddress>& nodes, uint64_t connection, Peer& peer);
  Status ConnectFollowers(const ConnectFrame& frame, Peer& peer);
  void DisconnectNodes(PeerId id, Peer& peer);
  Status AskAll(NodeFrame kind, const std::string& body);
  Result<ReplyFrame> AwaitReply(size_t follower, uint32_t peer);
  /// Which nodes have a run, whose regions become those of the nodes.
  Result<NodePair> Place(const Peer& peer, Descriptor& run) const;
  Status StartPart(TransferId id, PeerId peer, const NodePair& between,
                   const std::vector<Descriptor>& runs);
  void Take(size_t follower, const nodes::Frame& frame);
  void EndPart(TransferId transfer, Status status);

  const std::unique_ptr<Transport> own_;
  const std::vector<NodeEnd> followers_;
  std::vector<std::unique_ptr<Mailbox<nodes::Frame>>> frames_;
  /// Came while the reply to something was waited for; by follower.
  std::deque<std::pair<size_t, nodes::Frame>> postponed_;
  TransportListener* listener_ = nullptr;
  uint32_t own_regions_ = 0;
  uint32_t next_peer_ = 1;
  uint64_t next_transfer_ = 1;
  std::map<PeerId, Peer> peers_;
  /// Those of our own transport's that are nodes of a peer, connected ones.
  std::map<PeerId, PeerId> peer_of_;
  std::map<TransferId, Transfer> transfers_;
  /// Parts that our own transport moves.
  std::map<TransferId, TransferId> transfer_of_;
};

Result<std::string> Transports::Address() const {
  BATON_ASSIGN_OR_RETURN(std::string own, own_->Address());
  std::vector<NodeAddress> nodes{{std::move(own), own_regions_}};
  for (const NodeEnd& follower : followers_) nodes.push_back({follower.address, follower.regions});
  return EncodeAddress(nodes);
}

Result<PeerId> Transports::Connect(const std::string& peer_address, uint64_t connection) {
  BATON_ASSIGN_OR_RETURN(const std::vector<NodeAddress> nodes, DecodeAddress(peer_address));
  const PeerId id{next_peer_++};
  Peer peer;
  Status status = ConnectOwn(nodes, connection, peer);
  if (status.ok()) {
    status = ConnectFollowers({static_cast<uint32_t>(id), connection, peer_address}, peer);
  }
  if (!status.ok()) {
    DisconnectNodes(id, peer);
    return status;
  }
  for (const PeerNode& node : peer.nodes) peer_of_[node.own] = id;
  peers_.emplace(id, std::move(peer));
  return id;
}

Status Transports::ConnectOwn(const std::vector<NodeAddress>& nodes, uint64_t connection,
                              Peer& peer) {
  uint32_t first = 0;
  for (const NodeAddress& node : nodes) {
    BATON_ASSIGN_OR_RETURN(const PeerId own, own_->Connect(node.address, connection));
    peer.nodes.push_back({.own = own, .first_region = first});
    if (node.regions) peer.nodes.back().regions = *node.regions;
    first += node.regions.value_or(0);
  }
  return OkStatus();
}

Status Transports::ConnectFollowers(const ConnectFrame& frame, Peer& peer) {
  BATON_RETURN_IF_ERROR(AskAll(NodeFrame::kConnect, Encode(frame)));
  Status status;
  for (size_t i = 0; i < followers_.size(); ++i) {
    Result<ReplyFrame> reply = AwaitReply(i, frame.peer);
    const Status& failed = reply.ok() ? reply->status : reply.status();
    if (status.ok() && !failed.ok()) status = failed.WithContext(followers_[i].link->peer());
    if (!reply.ok()) continue;
    peer.states.push_back(reply->state);
    peer.paths.push_back(std::move(reply->path));
  }
  return status;
}

Status Transports::AskAll(NodeFrame kind, const std::string& body) {
  for (const NodeEnd& follower : followers_) {
    BATON_RETURN_IF_ERROR(follower.link->Send(static_cast<uint32_t>(kind), body));
  }
  return OkStatus();
}

/// What else comes meanwhile is postponed.
Result<ReplyFrame> Transports::AwaitReply(size_t follower, uint32_t peer) {
  while (auto frame = frames_[follower]->Receive(kPatience)) {
    if (frame->kind == static_cast<uint32_t>(NodeFrame::kReply)) {
      BATON_ASSIGN_OR_RETURN(ReplyFrame reply, DecodeReply(frame->body));
      // One that came too late for the question before is nobody's.
      if (reply.peer == peer) return reply;
      continue;
    }
    postponed_.emplace_back(follower, *std::move(frame));
  }
  // Nothing else would end a node whose threads are stuck.
  followers_[follower].link->Shutdown();
  return Unavailable("it does not answer");
}

void Transports::Prepare(PeerId peer) {
  if (const Peer* known = Find(peer)) {
    for (const PeerNode& node : known->nodes) own_->Prepare(node.own);
  }
}

void Transports::Disconnect(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || !std::exchange(found->second.connected, false)) return;
  DisconnectNodes(peer, found->second);
  for (const PeerNode& node : found->second.nodes) peer_of_.erase(node.own);
  std::erase_if(peers_, [this](const auto& entry) {
    return !entry.second.connected && !CanStillWrite(entry.first);
  });
}

/// All nodes at the same time, as each may have to wait a little.
void Transports::DisconnectNodes(PeerId id, Peer& peer) {
  const auto number = static_cast<uint32_t>(id);
  const Status asked = AskAll(NodeFrame::kDisconnect, Encode(ConnectFrame{.peer = number}));
  for (const PeerNode& node : peer.nodes) own_->Disconnect(node.own);
  for (size_t i = 0; asked.ok() && i < followers_.size(); ++i) {
    const Result<ReplyFrame> reply = AwaitReply(i, number);
    // The whole worker ends with a follower that does not answer, and with it its pools.
    if (reply.ok() && i < peer.states.size()) peer.states[i] = reply->state;
  }
}

bool Transports::CanStillWrite(PeerId peer) const {
  const Peer* known = Find(peer);
  if (known == nullptr) return false;
  return std::ranges::any_of(known->nodes,
                             [&](const PeerNode& node) { return own_->CanStillWrite(node.own); }) ||
         std::ranges::any_of(known->states, &PeerState::can_still_write);
}

bool Transports::IsThere(PeerId peer) const {
  const Peer* known = Find(peer);
  if (known == nullptr) return false;
  return std::ranges::any_of(known->nodes,
                             [&](const PeerNode& node) { return own_->IsThere(node.own); }) ||
         std::ranges::any_of(known->states, &PeerState::is_there);
}

Status Transports::Send(PeerId peer, std::span<const std::byte> message) {
  const Peer* known = Find(peer);
  if (known == nullptr || !known->connected) return Unavailable("not connected");
  return own_->Send(known->nodes.front().own, message);
}

Result<NodePair> Transports::Place(const Peer& peer, Descriptor& run) const {
  NodePair between{};
  if (run.local_region >= own_regions_) {
    run.local_region -= own_regions_;
    for (between.first = 1;; ++between.first) {
      if (between.first > followers_.size())
        return Status(StatusCode::kOutOfRange, "no region of that number here");
      const uint32_t regions = followers_[between.first - 1].regions;
      if (run.local_region < regions) break;
      run.local_region -= regions;
    }
  }
  for (; between.second < peer.nodes.size(); ++between.second) {
    const PeerNode& node = peer.nodes[between.second];
    if (run.remote_region - node.first_region >= node.regions) continue;
    run.remote_region -= node.first_region;
    return between;
  }
  return Status(StatusCode::kOutOfRange, "no region of that number there");
}

Result<TransferId> Transports::Put(PeerId peer, std::span<const Descriptor> descriptors) {
  const Peer* known = Find(peer);
  if (known == nullptr || !known->connected) return Unavailable("not connected");
  std::map<NodePair, std::vector<Descriptor>> parts;
  for (Descriptor run : descriptors) {
    BATON_ASSIGN_OR_RETURN(const NodePair between, Place(*known, run));
    parts[between].push_back(run);
  }
  if (parts.empty()) parts[{}];
  const TransferId id{next_transfer_++};
  Transfer& transfer = transfers_[id];
  transfer = {.peer = peer, .parts = parts.size(), .status = OkStatus()};
  size_t started = 0;
  for (const auto& [between, runs] : parts) {
    Status status = StartPart(id, peer, between, runs);
    if (!status.ok() && started == 0) {
      transfers_.erase(id);
      return status;
    }
    // Those that were started must end before it does.
    if (!status.ok()) {
      transfer.status = std::move(status);
      transfer.parts = started;
      return id;
    }
    ++started;
  }
  return id;
}

Status Transports::StartPart(TransferId id, PeerId peer, const NodePair& between,
                             const std::vector<Descriptor>& runs) {
  if (between.first == 0) {
    const PeerNode& node = peers_.at(peer).nodes[between.second];
    BATON_ASSIGN_OR_RETURN(const TransferId own, own_->Put(node.own, runs));
    transfer_of_[own] = id;
    return OkStatus();
  }
  return followers_[between.first - 1].link->Send(
      static_cast<uint32_t>(NodeFrame::kPut),
      Encode(PutFrame{.peer = static_cast<uint32_t>(peer),
                      .peer_node = static_cast<uint32_t>(between.second),
                      .transfer = static_cast<uint64_t>(id),
                      .descriptors = runs}));
}

bool Transports::Progress() {
  bool worked = own_->Progress();
  for (; !postponed_.empty(); worked = true) {
    const auto [follower, frame] = std::move(postponed_.front());
    postponed_.pop_front();
    Take(follower, frame);
  }
  for (size_t i = 0; i < frames_.size(); ++i) {
    while (const auto frame = frames_[i]->TryReceive()) {
      Take(i, *frame);
      worked = true;
    }
  }
  return worked;
}

void Transports::Take(size_t follower, const nodes::Frame& frame) {
  if (frame.kind == static_cast<uint32_t>(NodeFrame::kPutDone)) {
    if (auto done = DecodePutDone(frame.body); done.ok()) {
      EndPart(TransferId{done->transfer}, std::move(done->status));
    }
  } else if (frame.kind == static_cast<uint32_t>(NodeFrame::kWriters)) {
    const auto told = DecodeReply(frame.body);
    const auto peer = told.ok() ? peers_.find(PeerId{told->peer}) : peers_.end();
    if (peer != peers_.end()) peer->second.states[follower] = told->state;
  }
}

void Transports::OnMessage(PeerId peer, std::span<const std::byte> message) {
  if (const auto found = peer_of_.find(peer); found != peer_of_.end()) {
    listener_->OnMessage(found->second, message);
  }
}

void Transports::OnTransferDone(PeerId /*peer*/, TransferId transfer, Status status) {
  const auto part = transfer_of_.find(transfer);
  if (part == transfer_of_.end()) return;
  const TransferId whole = part->second;
  transfer_of_.erase(part);
  EndPart(whole, std::move(status));
}

/// The transfer ends with its last part, and as the first of them that failed.
void Transports::EndPart(TransferId transfer, Status status) {
  const auto found = transfers_.find(transfer);
  if (found == transfers_.end()) return;
  if (found->second.status.ok()) found->second.status = std::move(status);
  if (--found->second.parts > 0) return;
  const Transfer ended = std::move(found->second);
  transfers_.erase(found);
  listener_->OnTransferDone(ended.peer, transfer, ended.status);
}

Path Transports::FindPath(PeerId peer) const {
  const Peer* known = Find(peer);
  if (known == nullptr) return {.text = "not connected"};
  Path path = own_->FindPath(known->nodes.front().own);
  for (size_t i = 1; i < known->nodes.size(); ++i) {
    path = Both(path, own_->FindPath(known->nodes[i].own));
  }
  for (const Path& other : known->paths) path = Both(path, other);
  return path;
}

std::optional<PathCost> Transports::CostOf(PeerId peer) const {
  const Peer* known = Find(peer);
  return known == nullptr ? std::nullopt : own_->CostOf(known->nodes.front().own);
}

}  // namespace

std::unique_ptr<NodesTransport> NodesTransport::Make(std::unique_ptr<Transport> own,
                                                     std::vector<NodeEnd> followers) {
  return std::make_unique<Transports>(std::move(own), std::move(followers));
}

}  // namespace baton::transport
