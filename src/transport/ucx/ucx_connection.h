#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ucp/api/ucp.h>

#include "../path_meter.h"
#include "../transfer_done.h"
#include "baton/transport/transport.h"
#include "message_assembler.h"
#include "peer_memory.h"
#include "put_message.h"
#include "staging.h"
#include "ucx_address.h"

namespace baton::transport {

/// An endpoint to one peer with what is queued for it. UCX gets only a window's worth at a time, so
/// that a peer that takes nothing costs little and a disconnect finds little under way.
/// *Threads*: lives on the transport thread. *Invariants*: is not destroyed before drained().
class UcxConnection {
 public:
  struct Local {
    ucp_worker_h worker = nullptr;
    uint64_t tag = 0;
    /// The connection, by the name that both sides know it by.
    uint32_t number = 0;
    std::span<const MemoryRegion> regions;
    bool direct_copies = true;
    /// Whose memory regions of devices are, when they have to be staged; else null.
    device::DeviceMemory* staged_from = nullptr;
  };

  /// Fails with Unavailable or InvalidArgument.
  static Result<std::unique_ptr<UcxConnection>> Open(const Local& local, UcxAddress peer,
                                                     bool shared_memory);
  ~UcxConnection();
  UcxConnection(const UcxConnection&) = delete;
  UcxConnection& operator=(const UcxConnection&) = delete;

  const UcxAddress& peer() const { return peer_; }
  uint32_t number() const { return local_.number; }
  MessageAssembler& assembler() { return assembler_; }
  /// Puts travel as messages, which the receiver carries out.
  bool puts_are_messages() const { return puts_are_messages_; }
  /// Also after Close(): a put that UCX was given can still land.
  bool putting() const { return !puts_are_messages_ && pieces_ > 0; }

  Status Send(std::span<const std::byte> message);
  /// Puts are cut into pieces of at most this many bytes.
  uint64_t piece_bytes() const;
  void Put(TransferId transfer, std::vector<Descriptor> pieces);
  /// A piece of the peer's put is in place.
  void OnPieceArrived(const PutHeader& header);
  /// The peer has all pieces of our put.
  void OnPutDone(TransferId transfer);
  /// Gives UCX what fits and appends the transfers that ended. True when anything happened.
  bool Progress(std::vector<TransferDone>& done);
  std::optional<PathCost> cost() const { return meter_.cost(); }
  /// Whether Progress() has something to give to UCX.
  bool HasWork() const;
  /// Whether a device is copying for us, of which UCX knows nothing.
  bool HasCopies() const { return source_ && source_->fetching(); }
  /// Whether puts pass through pinned memory on either side.
  bool staged() const { return local_.staged_from != nullptr || peer_.staged; }

  /// Prepares for later puts when there is nothing else to do. False when all is prepared.
  bool MapMore() { return peer_memory_.MapMore(); }

  /// Ends all transfers and starts to close the endpoint.
  void Close(std::vector<TransferDone>& done);
  /// After Close(): UCX holds nothing of ours any more.
  bool Drained();

  /// What UCX prints about the endpoint.
  std::string EndpointInfo() const;

 private:
  struct Message {
    std::string bytes;
    uint64_t sequence = 0;
    size_t given = 0;
    bool started = false;
  };
  struct Transfer {
    TransferId id{};
    std::vector<Descriptor> pieces;
    uint64_t bytes = 0;
    size_t given = 0;
    size_t pending = 0;
    bool flushing = false;
    bool flushed = false;
    Status status;
    /// Not a transfer of our owner's but a part of the next one, put alone and timed.
    std::optional<size_t> timed_part;
    TimePoint started;

    bool ended() const { return flushed && pending == 0; }
  };
  /// kMeet is a flush before all else: it ends when both sides' endpoints have met. kLastFlush is
  /// one after all else.
  enum class Kind : uint8_t { kMeet, kFragment, kPiece, kFlush, kPutDone, kLastFlush };
  /// One request given to UCX; owns what must outlive it.
  struct Operation {
    UcxConnection* connection = nullptr;
    Kind kind{};
    std::shared_ptr<Message> message;
    std::shared_ptr<Transfer> transfer;
    FragmentHeader header;
    PutHeader put;
    /// Of source_, which holds the piece.
    std::optional<uint32_t> slot;
  };
  /// A piece that is being fetched from device memory.
  struct Fetch {
    std::shared_ptr<Transfer> transfer;
    Descriptor piece;
  };

  UcxConnection(const Local& local, UcxAddress peer, bool shared_memory)
      : local_(local), peer_(std::move(peer)), shared_memory_(shared_memory) {}

  Status OpenEndpoint();
  Status UnpackKeys();
  void CloseEndpoint();
  void GiveFragment();
  bool GivePieces();
  void GivePiece(const std::shared_ptr<Transfer>& transfer);
  void CopyPiece(Transfer& transfer);
  Transfer& Queue(TransferId id, std::vector<Descriptor> pieces);
  /// Nothing may be put beside the first transfer, which is timed.
  bool MustPutAlone() const { return transfers_.front()->timed_part.has_value(); }
  size_t most_pieces() const;
  void End(const Transfer& transfer, std::vector<TransferDone>& done);
  const std::byte* At(const Descriptor& piece) const;
  bool IsStaged(const Descriptor& piece) const;
  bool FetchPiece(const std::shared_ptr<Transfer>& transfer);
  bool GiveFetched();
  void SendPiece(std::unique_ptr<Operation> operation, const Descriptor& piece,
                 const std::byte* from);
  template <typename Header>
  void* SendAm(Operation& operation, AmId id, const Header& header, std::span<const char> data);
  void GivePutDone();
  void Flush(Kind kind, const std::shared_ptr<Transfer>& transfer);
  bool MayClose();
  void Track(void* request, std::unique_ptr<Operation> operation);
  void Finish(const Operation& operation, ucs_status_t status);
  void FailTransfers(const Status& status, std::vector<TransferDone>& done);
  static void OnRequestDone(void* request, ucs_status_t status, void* operation);
  static void OnReceiveError(void* connection, ucp_ep_h endpoint, ucs_status_t status);

  const Local local_;
  const UcxAddress peer_;
  const bool shared_memory_;
  ucp_ep_h endpoint_ = nullptr;
  /// One for each region of the peer.
  std::vector<ucp_rkey_h> remote_keys_;
  /// Empty where we leave the copying to UCX.
  PeerMemory peer_memory_;
  void* close_request_ = nullptr;
  bool met_ = false;
  bool last_flush_begun_ = false;
  bool last_flushed_ = false;
  bool closing_ = false;
  bool closed_ = false;
  Status failure_;
  MessageAssembler assembler_;
  std::deque<std::shared_ptr<Message>> messages_;
  PathMeter meter_;
  size_t message_bytes_ = 0;
  uint64_t next_sequence_ = 0;
  std::deque<std::shared_ptr<Transfer>> transfers_;
  /// Puts travel as messages, because the path has none of its own.
  bool puts_are_messages_ = false;
  std::optional<StagedSource> source_;
  std::deque<Fetch> fetches_;
  /// Pieces that arrived of the peer's transfers, and the transfers to confirm.
  std::map<uint64_t, uint32_t> arrived_;
  std::deque<uint64_t> put_done_;
  size_t operations_ = 0;
  /// Those of them that put.
  size_t pieces_ = 0;
};

}  // namespace baton::transport
