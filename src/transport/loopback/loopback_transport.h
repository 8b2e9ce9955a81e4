#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loopback_state.h"

namespace baton::transport {

/// An endpoint of a LoopbackNetwork.
class LoopbackTransport final : public Transport {
 public:
  /// REQUIRES: the lock of `state`.
  LoopbackTransport(std::shared_ptr<LoopbackNetwork::State> state, uint64_t self)
      : state_(std::move(state)), self_(self), wakeups_(state_->node(self).wakeups) {}
  ~LoopbackTransport() override;

  std::string_view name() const override { return "loopback"; }
  void SetListener(TransportListener* listener) override { listener_ = listener; }
  Result<MemoryRegion> AllocateRegion(size_t bytes, MemoryKind memory) override;
  Result<std::string> Address() const override;
  using Transport::Connect;
  Result<PeerId> Connect(const std::string& peer_address, uint64_t connection) override;
  void Disconnect(PeerId peer) override;
  bool CanStillWrite(PeerId peer) const override;
  bool IsThere(PeerId peer) const override;
  Status Send(PeerId peer, std::span<const std::byte> message) override;
  Result<TransferId> Put(PeerId peer, std::span<const Descriptor> descriptors) override;
  bool Progress() override;
  void Wait(Duration timeout) override;
  void Wake() override;
  Path OfferedPaths() const override;
  Path FindPath(PeerId peer) const override;
  std::optional<PathCost> CostOf(PeerId) const override { return state_->options.cost; }

 private:
  struct Job {
    TransferId id{};
    std::vector<Descriptor> pieces;
    size_t next = 0;
  };
  struct Peer {
    uint64_t node = 0;
    bool connected = true;
    std::deque<Job> jobs;
  };
  struct Done {
    PeerId peer{};
    TransferId id{};
    Status status;
  };
  struct Message {
    PeerId peer{};
    std::string bytes;
  };

  Peer* FindConnected(PeerId peer);
  void CopyPieces(PeerId id, Peer& peer);
  void TakeMessages(PeerId id, Peer& peer, std::vector<Message>& taken);
  bool Deliver(const std::vector<Message>& taken);

  const std::shared_ptr<LoopbackNetwork::State> state_;
  const uint64_t self_;
  Mailbox<int>& wakeups_;
  TransportListener* listener_ = nullptr;
  std::map<PeerId, Peer> peers_;
  std::deque<Done> done_;
  uint32_t last_peer_ = 0;
  uint64_t last_transfer_ = 0;
};

}  // namespace baton::transport
