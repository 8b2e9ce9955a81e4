#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/transport/nccl.h"
#include "nccl_receiver.h"
#include "nccl_sender.h"

namespace baton::transport {

/// See MakeNcclTransport().
class NcclTransport final : public Transport, private TransportListener {
 public:
  struct Parts {
    std::shared_ptr<device::DeviceMemory> memory;
    std::unique_ptr<NcclApi> api;
    /// Carries messages; peers have its ids.
    std::unique_ptr<Transport> messages;
    /// Outlives the transport.
    Clock* clock = &Clock::System();
  };

  NcclTransport(const NcclOptions& options, Parts parts);
  ~NcclTransport() override;

  std::string_view name() const override { return "nccl"; }
  void SetListener(TransportListener* listener) override { listener_ = listener; }
  Result<MemoryRegion> AllocateRegion(size_t bytes, MemoryKind memory) override;
  Result<std::string> Address() const override;
  using Transport::Connect;
  Result<PeerId> Connect(const std::string& peer_address, uint64_t connection) override;
  void Prepare(PeerId peer) override;
  void Disconnect(PeerId peer) override;
  bool CanStillWrite(PeerId peer) const override;
  bool IsThere(PeerId peer) const override { return parts_.messages->IsThere(peer); }
  DroppedCounts dropped() const override;
  Status Send(PeerId peer, std::span<const std::byte> message) override;
  Result<TransferId> Put(PeerId peer, std::span<const Descriptor> descriptors) override;
  bool Progress() override;
  void Wait(Duration timeout) override;
  void Wake() override { parts_.messages->Wake(); }
  Path OfferedPaths() const override;
  Path FindPath(PeerId peer) const override;

 private:
  struct Connection {
    NcclAddress address;
    /// Both sides have connected, as far as we know.
    bool met = false;
    std::optional<NcclSender> sender;
    std::optional<NcclReceiver> receiver;
    /// Parts of a message that is not whole yet.
    std::string partial;
  };
  struct Done {
    PeerId peer{};
    TransferDone transfer;
  };
  /// A communicator that was aborted and may still do something.
  struct Buried {
    PeerId peer{};
    /// Where it is reached; the same over all its connections.
    std::string address;
    bool receives = false;
    std::unique_ptr<NcclCommunicator> communicator;
  };

  void OnMessage(PeerId peer, std::span<const std::byte> bytes) override;
  void OnTransferDone(PeerId, TransferId, Status) override {}
  void OnPayload(PeerId peer, const NcclPayload& payload);
  Status CheckPeer(const NcclAddress& address) const;
  Connection* Find(PeerId peer) const;
  /// Both sides have connected: says so to a peer that cannot know, and makes communicators.
  void Meet(PeerId peer, Connection& connection, bool say_so);
  NcclSender::Send Sender(PeerId peer);
  NcclSender::Bury Burier(PeerId peer, const std::string& address, bool receives);
  bool Dig();
  bool Deliver();
  bool Busy() const;

  Parts parts_;
  NcclSurroundings around_;
  std::vector<device::Allocation> regions_;
  TransportListener* listener_ = nullptr;
  std::map<PeerId, std::unique_ptr<Connection>> connections_;
  std::vector<Buried> buried_;
  std::vector<Done> done_;
  std::vector<TransferDone> scratch_;
  uint32_t last_peer_ = 0;
  uint64_t last_transfer_ = 0;
  int64_t malformed_ = 0;
};

}  // namespace baton::transport
