#include "loopback_transport.h"

#include <algorithm>
#include <cstring>

#include "../descriptors.h"

namespace baton::transport {
namespace {

constexpr std::string_view kAddressPrefix = "loopback:";

}  // namespace

LoopbackTransport::~LoopbackTransport() {
  std::lock_guard lock(state_->mutex);
  state_->node(self_).alive = false;
}

Result<MemoryRegion> LoopbackTransport::AllocateRegion(size_t bytes, MemoryKind memory) {
  if (memory != MemoryKind::kHost) return InvalidArgument("loopback moves memory of the host only");
  std::lock_guard lock(state_->mutex);
  LoopbackNode& self = state_->node(self_);
  if (self.memory.size() >= kMaxRegions) return ResourceExhausted("no more regions");
  return MemoryRegion{self.memory.emplace_back(bytes).data(), bytes};
}

Result<std::string> LoopbackTransport::Address() const {
  return std::string(kAddressPrefix) + std::to_string(self_);
}

/// Nothing is under way in a connection that has ended, so `connection` tells nothing.
Result<PeerId> LoopbackTransport::Connect(const std::string& peer_address, uint64_t) {
  if (!peer_address.starts_with(kAddressPrefix)) {
    return InvalidArgument("not a loopback address: '" + peer_address + "'");
  }
  const uint64_t node = std::strtoull(peer_address.c_str() + kAddressPrefix.size(), nullptr, 10);
  std::lock_guard lock(state_->mutex);
  if (!state_->nodes.contains(node)) return InvalidArgument("no such endpoint: " + peer_address);
  if (!state_->node(node).alive) return Unavailable("the endpoint has ended: " + peer_address);
  LoopbackNode& self = state_->node(self_);
  if (!self.connected.insert(node).second) return AlreadyExists("connected to " + peer_address);
  if (const auto stale = self.stale.extract(node)) {
    auto& inbox = self.inbox[node];
    inbox.insert(inbox.begin(), stale.mapped().begin(), stale.mapped().end());
  }
  const PeerId peer{++last_peer_};
  peers_[peer].node = node;
  return peer;
}

void LoopbackTransport::Disconnect(PeerId id) {
  std::lock_guard lock(state_->mutex);
  Peer* peer = FindConnected(id);
  if (peer == nullptr) return;
  for (const Job& job : peer->jobs) done_.push_back({id, job.id, Unavailable("disconnected")});
  peer->jobs.clear();
  peer->connected = false;
  LoopbackNode& self = state_->node(self_);
  self.connected.erase(peer->node);
  self.inbox.erase(peer->node);
  if (!state_->node(peer->node).connected.contains(self_)) {
    state_->severed.erase(std::minmax(self_, peer->node));
  }
}

bool LoopbackTransport::CanStillWrite(PeerId id) const {
  std::lock_guard lock(state_->mutex);
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return false;
  return !state_->options.proof || state_->node(peer->second.node).alive;
}

bool LoopbackTransport::IsThere(PeerId id) const {
  std::lock_guard lock(state_->mutex);
  const auto peer = peers_.find(id);
  return peer != peers_.end() && state_->options.proof && state_->Reaches(self_, peer->second.node);
}

Status LoopbackTransport::Send(PeerId id, std::span<const std::byte> message) {
  if (message.size() > kMaxMessageBytes) return InvalidArgument("the message is too long");
  std::lock_guard lock(state_->mutex);
  Peer* peer = FindConnected(id);
  if (peer == nullptr) return Unavailable("not connected to the peer");
  if (!state_->Reaches(self_, peer->node)) return OkStatus();
  LoopbackNode& to = state_->node(peer->node);
  to.inbox[self_].emplace_back(reinterpret_cast<const char*>(message.data()), message.size());
  to.Wake();
  return OkStatus();
}

Result<TransferId> LoopbackTransport::Put(PeerId id, std::span<const Descriptor> descriptors) {
  std::lock_guard lock(state_->mutex);
  Peer* peer = FindConnected(id);
  if (peer == nullptr) return Unavailable("not connected to the peer");
  BATON_RETURN_IF_ERROR(CheckBounds(descriptors, state_->node(self_).RegionBytes(),
                                    state_->node(peer->node).RegionBytes()));
  const TransferId transfer{++last_transfer_};
  peer->jobs.push_back({transfer, MakePieces(descriptors, state_->options.piece_bytes), 0});
  state_->node(self_).Wake();
  return transfer;
}

bool LoopbackTransport::Progress() {
  std::vector<Message> taken;
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->node(self_).alive) return false;
    for (auto& [id, peer] : peers_) {
      if (!peer.connected) continue;
      CopyPieces(id, peer);
      TakeMessages(id, peer, taken);
    }
  }
  return Deliver(taken);
}

void LoopbackTransport::CopyPieces(PeerId id, Peer& peer) {
  if (!state_->Reaches(self_, peer.node)) return;
  const auto& from = state_->node(self_).memory;
  auto& to = state_->node(peer.node).memory;
  while (!peer.jobs.empty()) {
    Job& job = peer.jobs.front();
    for (; job.next < job.pieces.size(); ++job.next) {
      if (state_->Delayed()) return;
      const Descriptor& piece = job.pieces[job.next];
      if (state_->on_write) {
        state_->on_write({state_->node(self_).name, state_->node(peer.node).name, piece});
      }
      std::byte* landed = to[piece.remote_region].data() + piece.remote_offset;
      std::memcpy(landed, from[piece.local_region].data() + piece.local_offset, piece.bytes);
      state_->MaybeFlip(landed, piece.bytes);
    }
    done_.push_back({id, job.id, OkStatus()});
    peer.jobs.pop_front();
  }
}

void LoopbackTransport::TakeMessages(PeerId id, Peer& peer, std::vector<Message>& taken) {
  const auto inbox = state_->node(self_).inbox.find(peer.node);
  if (inbox == state_->node(self_).inbox.end()) return;
  if (!state_->Reaches(peer.node, self_)) return;
  while (!inbox->second.empty() && !state_->Delayed()) {
    if (state_->Stale()) state_->node(self_).stale[peer.node].push_back(inbox->second.front());
    taken.push_back({id, std::move(inbox->second.front())});
    inbox->second.pop_front();
  }
}

bool LoopbackTransport::Deliver(const std::vector<Message>& taken) {
  const std::deque<Done> done = std::exchange(done_, {});
  for (const Done& transfer : done) {
    listener_->OnTransferDone(transfer.peer, transfer.id, transfer.status);
  }
  for (const Message& message : taken) {
    if (!peers_.at(message.peer).connected) continue;
    listener_->OnMessage(message.peer, std::as_bytes(std::span(message.bytes)));
  }
  return !done.empty() || !taken.empty();
}

void LoopbackTransport::Wait(Duration timeout) { (void)wakeups_.Receive(timeout); }

void LoopbackTransport::Wake() { (void)wakeups_.TrySend(0); }

Path LoopbackTransport::OfferedPaths() const {
  return {.kinds = {PathKind::kInProcess}, .text = "loopback (one process)"};
}

Path LoopbackTransport::FindPath(PeerId) const { return OfferedPaths(); }

LoopbackTransport::Peer* LoopbackTransport::FindConnected(PeerId id) {
  const auto peer = peers_.find(id);
  return peer == peers_.end() || !peer->second.connected ? nullptr : &peer->second;
}

}  // namespace baton::transport
