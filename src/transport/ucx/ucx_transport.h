#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <ucp/api/ucp.h>

#include "baton/transport/ucx.h"
#include "ucx_connection.h"

namespace baton::transport {

/// See MakeUcxTransport().
class UcxTransport final : public Transport {
 public:
  static Result<std::unique_ptr<Transport>> Make(const UcxOptions& options);
  ~UcxTransport() override;

  std::string_view name() const override { return "ucx"; }
  void SetListener(TransportListener* listener) override { listener_ = listener; }
  Result<MemoryRegion> AllocateRegion(size_t bytes, MemoryKind memory) override;
  Result<std::string> Address() const override;
  using Transport::Connect;
  Result<PeerId> Connect(const std::string& peer_address, uint64_t connection) override;
  void Disconnect(PeerId peer) override;
  bool CanStillWrite(PeerId peer) const override;
  bool IsThere(PeerId peer) const override;
  DroppedCounts dropped() const override { return dropped_; }
  Status Send(PeerId peer, std::span<const std::byte> message) override;
  Result<TransferId> Put(PeerId peer, std::span<const Descriptor> descriptors) override;
  bool Progress() override;
  void Wait(Duration timeout) override;
  void Wake() override;
  Path OfferedPaths() const override;
  Path FindPath(PeerId peer) const override;
  std::optional<PathCost> CostOf(PeerId peer) const override;

 private:
  struct Received {
    PeerId peer{};
    std::string bytes;
  };
  struct Done {
    PeerId peer{};
    TransferDone transfer;
  };

  explicit UcxTransport(const UcxOptions& options);
  Status Init();
  Result<std::byte*> MapHostRegion(size_t bytes, std::string& remote_key);
  Status MapDeviceRegion(const MemoryRegion& region, std::string& remote_key);
  Status StageDeviceRegions(const std::string& why);
  Result<std::string> PackKey(ucp_mem_h memory) const;
  UcxConnection* Find(PeerId peer) const;
  /// Confirms the staged pieces that are in place. True when there were any.
  bool PollLanding();
  void ReportLanding(const Status& status);
  /// Whether a device is copying for us, of which UCX knows nothing.
  bool HasCopies() const;
  bool SharesMemoryWith(const UcxAddress& peer) const;
  void Close(std::unique_ptr<UcxConnection> connection, Duration deadline);
  void ReapClosing();
  bool Deliver();
  bool MapMore();
  void Poll(int ucx_fd, Duration timeout);
  Status SetAmHandler(AmId id, ucp_am_recv_callback_t callback);
  static ucs_status_t OnPut(void* self, const void* header, size_t header_bytes, void* data,
                            size_t bytes, const ucp_am_recv_param_t* param);
  static ucs_status_t OnPutDone(void* self, const void* header, size_t header_bytes, void* data,
                                size_t bytes, const ucp_am_recv_param_t* param);
  /// Whether a put of ours to this peer, over a connection that was closed, can still land.
  bool StillPutting(uint64_t tag) const;
  /// The connection that an active message came over; null, and counted, when it is to be dropped.
  template <typename Header>
  UcxConnection* ReceiveAm(const void* header_bytes, size_t header_size,
                           const ucp_am_recv_param_t* param, Header& header);
  static ucs_status_t OnFragment(void* self, const void* header, size_t header_bytes, void* data,
                                 size_t bytes, const ucp_am_recv_param_t* param);

  const UcxOptions options_;
  UcxAddress own_;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  std::vector<ucp_mem_h> memory_;
  std::vector<MemoryRegion> regions_;
  /// Of regions in device memory, and what stages them if UCX cannot reach it.
  std::vector<device::Allocation> device_regions_;
  std::unique_ptr<StagedLanding> landing_;
  std::vector<StagedLanding::Piece> landed_;
  bool landing_works_ = true;
  int wake_fd_ = -1;
  int ucx_fd_ = -1;
  TransportListener* listener_ = nullptr;
  std::map<PeerId, std::unique_ptr<UcxConnection>> connections_;
  std::unordered_map<uint64_t, PeerId> peer_of_tag_;
  /// Endpoints that UCX has not let go of yet.
  std::vector<std::unique_ptr<UcxConnection>> closing_;
  struct Writer {
    ProcessIdentity process;
    /// It writes by messages that we carry out ourselves.
    bool through_us = false;
  };
  /// All peers there ever were, for CanStillWrite.
  std::map<PeerId, Writer> writers_;
  std::vector<Received> received_;
  std::vector<Done> done_;
  std::vector<TransferDone> scratch_;
  uint32_t last_peer_ = 0;
  uint64_t last_transfer_ = 0;
  DroppedCounts dropped_;
  int busy_ = 0;
};

}  // namespace baton::transport
