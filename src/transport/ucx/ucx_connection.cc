#include "ucx_connection.h"

#include <algorithm>

#include "ucx_library.h"
#include "ucx_path.h"
#include "ucx_print.h"

namespace baton::transport {
namespace {

/// Fits UCX's eager buffers on shared memory and TCP, headers included: no rendezvous, by which a
/// receiver would read from a sender that may be dead.
constexpr size_t kFragmentBytes = 8000;
/// Most requests that UCX holds for a connection.
constexpr size_t kWindow = 64;
/// Larger puts are cut, so that messages and other peers get their turn.
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
/// Most pieces that travel as messages at once: on a slow path other messages queue behind them.
constexpr size_t kPiecesAsMessages = 8;
/// Pieces of device memory that are held for a peer.
constexpr size_t kStagedPieces = 32;
/// Most transfers of a peer that are under way to us.
constexpr size_t kMaxArriving = 1 << 16;
/// Most bytes put per Progress(): over shared memory UCX copies them on the spot.
constexpr uint64_t kBytesPerProgress = uint64_t{4} << 20;
/// Where a part of a transfer keeps its number in the id that the peer sees.
constexpr int kPartShift = 62;
/// Most bytes of messages that wait for a peer.
constexpr size_t kMaxQueuedBytes = size_t{64} << 20;

TransferId PartId(TransferId transfer, size_t part) {
  return TransferId{static_cast<uint64_t>(transfer) | uint64_t{part + 1} << kPartShift};
}

}  // namespace

Result<std::unique_ptr<UcxConnection>> UcxConnection::Open(const Local& local, UcxAddress peer,
                                                           bool shared_memory) {
  std::unique_ptr<UcxConnection> connection(
      new UcxConnection(local, std::move(peer), shared_memory));
  const Status status = connection->OpenEndpoint();
  if (status.ok()) return connection;
  if (connection->endpoint_ != nullptr) connection->CloseEndpoint();
  return status;
}

UcxConnection::~UcxConnection() {
  for (ucp_rkey_h key : remote_keys_) {
    if (key != nullptr) ucp_rkey_destroy(key);
  }
  if (close_request_ != nullptr) ucp_request_free(close_request_);
}

/// Error reports and shared memory exclude each other in UCX; over anything else they are needed,
/// or UCX ends the process when a peer dies before the endpoints have met.
Status UcxConnection::OpenEndpoint() {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(peer_.worker_address.data());
  params.err_mode = shared_memory_ ? UCP_ERR_HANDLING_MODE_NONE : UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &OnReceiveError;
  params.err_handler.arg = this;
  BATON_RETURN_IF_ERROR(
      ToStatus(ucp_ep_create(local_.worker, &params, &endpoint_), "connecting to the peer"));
  BATON_RETURN_IF_ERROR(UnpackKeys());
  puts_are_messages_ = staged() || (!shared_memory_ &&
                                    ReadLanes(EndpointInfo()).kinds == std::vector{PathKind::kTcp});
  if (local_.staged_from != nullptr) {
    BATON_ASSIGN_OR_RETURN(PinnedSlots slots, PinnedSlots::Make(*local_.staged_from, kStagedPieces,
                                                                kPieceBytesAsMessage));
    source_.emplace(std::move(slots));
  }
  Flush(Kind::kMeet, nullptr);
  return OkStatus();
}

/// Where the host shares the peer's memory with us, UCX's puts are copies too; ours are faster.
Status UcxConnection::UnpackKeys() {
  bool direct = shared_memory_ && local_.direct_copies && !staged() &&
                std::all_of(local_.regions.begin(), local_.regions.end(),
                            [](const auto& ours) { return ours.memory == MemoryKind::kHost; });
  for (const UcxAddress::Region& region : peer_.regions) {
    if (region.remote_key.empty()) {
      if (!peer_.staged) return InvalidArgument("the peer's region has no remote key");
      remote_keys_.push_back(nullptr);
      continue;
    }
    ucp_rkey_h key = nullptr;
    BATON_RETURN_IF_ERROR(ToStatus(ucp_ep_rkey_unpack(endpoint_, region.remote_key.data(), &key),
                                   "the peer's remote key"));
    remote_keys_.push_back(key);
    void* mapped = nullptr;
    direct = direct && ucp_rkey_ptr(key, region.base, &mapped) == UCS_OK;
    if (direct) peer_memory_.Add(static_cast<std::byte*>(mapped), region.bytes);
  }
  if (!direct) peer_memory_.Clear();
  return OkStatus();
}

Status UcxConnection::Send(std::span<const std::byte> message) {
  if (!failure_.ok()) return failure_;
  if (message_bytes_ + message.size() > kMaxQueuedBytes) {
    return Unavailable("the peer takes no messages");
  }
  auto queued = std::make_shared<Message>();
  queued->bytes.assign(reinterpret_cast<const char*>(message.data()), message.size());
  queued->sequence = next_sequence_++;
  message_bytes_ += message.size();
  messages_.push_back(std::move(queued));
  return OkStatus();
}

uint64_t UcxConnection::piece_bytes() const {
  return puts_are_messages_ ? kPieceBytesAsMessage : kPieceBytes;
}

size_t UcxConnection::most_pieces() const {
  return puts_are_messages_ ? kPiecesAsMessages : kWindow;
}

void UcxConnection::OnPieceArrived(const PutHeader& header) {
  if (arrived_.size() >= kMaxArriving) return;
  if (++arrived_[header.transfer] < header.pieces) return;
  arrived_.erase(header.transfer);
  put_done_.push_back(header.transfer);
}

void UcxConnection::OnPutDone(TransferId id) {
  for (const auto& transfer : transfers_) {
    if (transfer->id == id && transfer->flushing) transfer->flushed = true;
  }
}

void UcxConnection::Put(TransferId transfer, std::vector<Descriptor> pieces) {
  if (transfers_.empty() && meter_.Wants(pieces)) {
    PathMeter::Parts parts = meter_.Cut(pieces);
    for (size_t i = 0; i < parts.size(); ++i) {
      Queue(PartId(transfer, i), std::move(parts[i])).timed_part = i;
    }
  }
  Queue(transfer, std::move(pieces));
}

UcxConnection::Transfer& UcxConnection::Queue(TransferId id, std::vector<Descriptor> pieces) {
  auto queued = std::make_shared<Transfer>();
  queued->id = id;
  queued->pieces = std::move(pieces);
  for (const Descriptor& piece : queued->pieces) queued->bytes += piece.bytes;
  transfers_.push_back(std::move(queued));
  return *transfers_.back();
}

bool UcxConnection::Progress(std::vector<TransferDone>& done) {
  if (!failure_.ok()) {
    const size_t before = done.size();
    FailTransfers(failure_, done);
    return done.size() > before;
  }
  if (!met_) return false;
  bool worked = false;
  while (!put_done_.empty() && operations_ < kWindow) {
    GivePutDone();
    worked = true;
  }
  while (!messages_.empty() && operations_ < kWindow) {
    GiveFragment();
    worked = true;
  }
  worked |= GiveFetched();
  worked |= GivePieces();
  while (!transfers_.empty() && transfers_.front()->ended()) {
    End(*transfers_.front(), done);
    transfers_.pop_front();
    worked = true;
  }
  return worked;
}

void UcxConnection::End(const Transfer& transfer, std::vector<TransferDone>& done) {
  if (!transfer.timed_part) {
    done.push_back({transfer.id, transfer.status});
  } else if (transfer.status.ok()) {
    meter_.Took(*transfer.timed_part, Clock::System().Now() - transfer.started);
  }
}

bool UcxConnection::HasWork() const {
  if (!failure_.ok()) return !transfers_.empty();
  if (!met_ || operations_ >= kWindow) return false;
  if (!messages_.empty() || !put_done_.empty()) return true;
  if (transfers_.empty()) return false;
  const Transfer& first = *transfers_.front();
  if (first.ended()) return true;
  if (source_ && !source_->HasSlot()) return false;
  if (pieces_ >= most_pieces()) return false;
  return MustPutAlone() ? !first.flushing : !transfers_.back()->flushing;
}

/// The header is in the operation and lives as long as UCX needs it.
template <typename Header>
void* UcxConnection::SendAm(Operation& operation, AmId id, const Header& header,
                            std::span<const char> data) {
  ucp_request_param_t params{};
  params.op_attr_mask =
      UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  params.flags = UCP_AM_SEND_FLAG_EAGER;
  params.cb.send = &OnRequestDone;
  params.user_data = &operation;
  return ucp_am_send_nbx(endpoint_, id, &header, sizeof(header), data.data(), data.size(), &params);
}

void UcxConnection::GiveFragment() {
  const std::shared_ptr<Message> message = messages_.front();
  auto operation = std::make_unique<Operation>();
  operation->connection = this;
  operation->kind = Kind::kFragment;
  operation->message = message;
  const size_t bytes = std::min(kFragmentBytes, message->bytes.size() - message->given);
  operation->header = {local_.tag,
                       message->sequence,
                       local_.number,
                       static_cast<uint32_t>(message->bytes.size()),
                       static_cast<uint32_t>(message->given),
                       0};
  const char* from = message->bytes.data() + message->given;
  message->given += bytes;
  if (message->given == message->bytes.size()) {
    message_bytes_ -= message->bytes.size();
    messages_.pop_front();
  }
  void* request = SendAm(*operation, kFragmentAm, operation->header, {from, bytes});
  Track(request, std::move(operation));
}

void UcxConnection::GivePutDone() {
  auto operation = std::make_unique<Operation>();
  operation->connection = this;
  operation->kind = Kind::kPutDone;
  operation->put = {local_.tag, put_done_.front(), 0, local_.number, 0};
  put_done_.pop_front();
  void* request = SendAm(*operation, kPutDoneAm, operation->put, {});
  Track(request, std::move(operation));
}

bool UcxConnection::GivePieces() {
  uint64_t bytes = 0;
  bool worked = false;
  for (const std::shared_ptr<Transfer>& transfer : transfers_) {
    if (transfer->flushing) continue;
    if (MustPutAlone() && transfer != transfers_.front()) return worked;
    if (transfer->given == 0) transfer->started = Clock::System().Now();
    while (transfer->given < transfer->pieces.size()) {
      if (operations_ >= kWindow || pieces_ >= most_pieces() || bytes >= kBytesPerProgress) {
        return worked;
      }
      bytes += transfer->pieces[transfer->given].bytes;
      if (!peer_memory_.empty()) {
        CopyPiece(*transfer);
      } else if (!IsStaged(transfer->pieces[transfer->given])) {
        GivePiece(transfer);
      } else if (!FetchPiece(transfer)) {
        return worked;
      }
      worked = true;
    }
    if (operations_ >= kWindow) return worked;
    transfer->flushing = true;
    if (!peer_memory_.empty() || transfer->pieces.empty()) {
      transfer->flushed = true;
    } else if (!puts_are_messages_) {
      Flush(Kind::kFlush, transfer);
    }
    worked = true;
  }
  return worked;
}

void UcxConnection::GivePiece(const std::shared_ptr<Transfer>& transfer) {
  const Descriptor& piece = transfer->pieces[transfer->given++];
  auto operation = std::make_unique<Operation>();
  operation->connection = this;
  operation->kind = Kind::kPiece;
  operation->transfer = transfer;
  ++transfer->pending;
  ++pieces_;
  const std::byte* from = At(piece);
  if (puts_are_messages_) return SendPiece(std::move(operation), piece, from);
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = &OnRequestDone;
  params.user_data = operation.get();
  const uint64_t to = peer_.regions[piece.remote_region].base + piece.remote_offset;
  void* request =
      ucp_put_nbx(endpoint_, from, piece.bytes, to, remote_keys_[piece.remote_region], &params);
  Track(request, std::move(operation));
}

void UcxConnection::CopyPiece(Transfer& transfer) {
  const Descriptor& piece = transfer.pieces[transfer.given++];
  peer_memory_.Write(piece, At(piece), transfer.bytes);
}

void UcxConnection::SendPiece(std::unique_ptr<Operation> operation, const Descriptor& piece,
                              const std::byte* from) {
  const Transfer& transfer = *operation->transfer;
  operation->put = {local_.tag,
                    static_cast<uint64_t>(transfer.id),
                    piece.remote_offset,
                    local_.number,
                    static_cast<uint32_t>(transfer.pieces.size()),
                    piece.remote_region};
  void* request = SendAm(*operation, kPutAm, operation->put,
                         {reinterpret_cast<const char*>(from), piece.bytes});
  Track(request, std::move(operation));
}

const std::byte* UcxConnection::At(const Descriptor& piece) const {
  return local_.regions[piece.local_region].data + piece.local_offset;
}

bool UcxConnection::IsStaged(const Descriptor& piece) const {
  return source_ && local_.regions[piece.local_region].memory == MemoryKind::kDevice;
}

/// False when no slot is free or the device has failed.
bool UcxConnection::FetchPiece(const std::shared_ptr<Transfer>& transfer) {
  const Descriptor& piece = transfer->pieces[transfer->given];
  const auto slot = source_->Fetch({At(piece), piece.bytes});
  if (!slot.ok()) failure_ = slot.status();
  if (!slot.ok() || !*slot) return false;
  fetches_.push_back({transfer, piece});
  ++transfer->given;
  ++transfer->pending;
  return true;
}

/// Sends the pieces that have been fetched.
bool UcxConnection::GiveFetched() {
  bool worked = false;
  while (!fetches_.empty() && operations_ < kWindow) {
    const auto slot = source_->Fetched();
    if (!slot.ok()) failure_ = slot.status();
    if (!slot.ok() || !*slot) return worked;
    auto operation = std::make_unique<Operation>();
    operation->connection = this;
    operation->kind = Kind::kPiece;
    operation->transfer = fetches_.front().transfer;
    operation->slot = *slot;
    ++pieces_;
    const Descriptor piece = fetches_.front().piece;
    fetches_.pop_front();
    SendPiece(std::move(operation), piece, source_->at(**slot));
    worked = true;
  }
  return worked;
}

void UcxConnection::Flush(Kind kind, const std::shared_ptr<Transfer>& transfer) {
  auto operation = std::make_unique<Operation>();
  operation->connection = this;
  operation->transfer = transfer;
  operation->kind = kind;
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = &OnRequestDone;
  params.user_data = operation.get();
  void* request = ucp_ep_flush_nbx(endpoint_, &params);
  Track(request, std::move(operation));
}

void UcxConnection::Track(void* request, std::unique_ptr<Operation> operation) {
  ++operations_;
  if (request != nullptr && !UCS_PTR_IS_ERR(request)) {
    (void)operation.release();  // OnRequestDone takes it.
    return;
  }
  Finish(*operation, request == nullptr ? UCS_OK : UCS_PTR_STATUS(request));
}

void UcxConnection::OnRequestDone(void* request, ucs_status_t status, void* operation) {
  const std::unique_ptr<Operation> done(static_cast<Operation*>(operation));
  done->connection->Finish(*done, status);
  ucp_request_free(request);
}

void UcxConnection::Finish(const Operation& operation, ucs_status_t status) {
  --operations_;
  if (operation.kind == Kind::kPiece) --pieces_;
  if (status != UCS_OK && failure_.ok()) failure_ = ToStatus(status, "the peer's connection");
  if (operation.kind == Kind::kMeet && status == UCS_OK) met_ = true;
  if (operation.kind == Kind::kLastFlush && status == UCS_OK) last_flushed_ = true;
  if (operation.slot) source_->Give(*operation.slot);
  if (operation.transfer == nullptr) return;
  Transfer& transfer = *operation.transfer;
  if (operation.kind == Kind::kFlush) {
    transfer.flushed = true;
  } else {
    --transfer.pending;
  }
  if (status != UCS_OK && transfer.status.ok()) transfer.status = failure_;
}

void UcxConnection::OnReceiveError(void* connection, ucp_ep_h, ucs_status_t status) {
  auto* self = static_cast<UcxConnection*>(connection);
  if (self->failure_.ok()) self->failure_ = ToStatus(status, "the peer's connection");
}

void UcxConnection::FailTransfers(const Status& status, std::vector<TransferDone>& done) {
  for (const auto& transfer : transfers_) {
    if (!transfer->timed_part) done.push_back({transfer->id, status});
  }
  transfers_.clear();
  fetches_.clear();
  messages_.clear();
  message_bytes_ = 0;
}

void UcxConnection::Close(std::vector<TransferDone>& done) {
  FailTransfers(Unavailable("disconnected"), done);
  if (MayClose()) CloseEndpoint();
}

/// UCX 1.13 does not survive an endpoint that is closed by force while it is still connecting, nor,
/// over TCP, while bytes of ours wait for the socket: it goes on reading there, and when the peer's
/// end comes just as the socket takes bytes again, it frees the endpoint and then writes to it.
bool UcxConnection::MayClose() {
  if (!failure_.ok()) return true;
  if (!met_) return false;
  if (shared_memory_) return true;
  if (!last_flush_begun_) {
    last_flush_begun_ = true;
    Flush(Kind::kLastFlush, nullptr);
  }
  return last_flushed_;
}

void UcxConnection::CloseEndpoint() {
  ucp_request_param_t params{};
  if (!shared_memory_) {
    params.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    params.flags = UCP_EP_CLOSE_FLAG_FORCE;
  }
  closing_ = true;
  void* request = ucp_ep_close_nbx(endpoint_, &params);
  if (request == nullptr || UCS_PTR_IS_ERR(request)) {
    closed_ = true;
  } else {
    close_request_ = request;
  }
}

bool UcxConnection::Drained() {
  if (!closing_) {
    if (!MayClose()) return false;
    CloseEndpoint();
  }
  if (!closed_ && ucp_request_check_status(close_request_) != UCS_INPROGRESS) closed_ = true;
  return closed_ && operations_ == 0 && (!source_ || source_->Idle());
}

std::string UcxConnection::EndpointInfo() const {
  return Printed([this](FILE* out) { ucp_ep_print_info(endpoint_, out); });
}

}  // namespace baton::transport
