#include "ucx_transport.h"

#include <algorithm>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../descriptors.h"
#include "baton/base/logging.h"
#include "baton/base/random.h"
#include "baton/base/units.h"
#include "touch.h"
#include "ucx_library.h"
#include "ucx_path.h"
#include "ucx_print.h"

namespace baton::transport {
namespace {

/// Events handled by one Progress().
constexpr int kEventsPerProgress = 256;
/// Refusals to sleep in a row after which Wait() sleeps all the same: UCX never agrees while it
/// holds something for a peer that takes nothing.
constexpr int kBusyLimit = 4;
constexpr Duration kBusySleep = std::chrono::microseconds(200);
/// Pieces that arrived and wait for the device, of all peers.
constexpr size_t kLandingSlots = 128;
/// Peers remembered for CanStillWrite.
constexpr size_t kMaxWriters = 4096;

}  // namespace

Result<std::unique_ptr<Transport>> MakeUcxTransport(const UcxOptions& options) {
  return UcxTransport::Make(options);
}

Result<std::unique_ptr<Transport>> UcxTransport::Make(const UcxOptions& options) {
  TameUcx();
  std::unique_ptr<UcxTransport> transport(new UcxTransport(options));
  BATON_RETURN_IF_ERROR(transport->Init());
  return std::unique_ptr<Transport>(std::move(transport));
}

UcxTransport::UcxTransport(const UcxOptions& options) : options_(options) {
  own_.tag = RandomSeed();
  own_.process = ProcessIdentity::Own();
}

Status UcxTransport::Init() {
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) return ResourceExhausted("no eventfd for the transport");
  BATON_ASSIGN_OR_RETURN(context_, MakeContext(options_));
  own_.shared_memory = HasSharedMemory(context_);
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  BATON_RETURN_IF_ERROR(ToStatus(ucp_worker_create(context_, &params, &worker_), "ucx worker"));
  BATON_RETURN_IF_ERROR(ToStatus(ucp_worker_get_efd(worker_, &ucx_fd_), "ucx event descriptor"));
  BATON_RETURN_IF_ERROR(SetAmHandler(kFragmentAm, &OnFragment));
  BATON_RETURN_IF_ERROR(SetAmHandler(kPutAm, &OnPut));
  BATON_RETURN_IF_ERROR(SetAmHandler(kPutDoneAm, &OnPutDone));
  ucp_address_t* address = nullptr;
  size_t bytes = 0;
  BATON_RETURN_IF_ERROR(
      ToStatus(ucp_worker_get_address(worker_, &address, &bytes), "ucx worker address"));
  own_.worker_address.assign(reinterpret_cast<const char*>(address), bytes);
  ucp_worker_release_address(worker_, address);
  return OkStatus();
}

UcxTransport::~UcxTransport() {
  while (!connections_.empty()) Disconnect(connections_.begin()->first);
  ReapClosing();
  if (!closing_.empty()) {
    // UCX must not lose a worker that it still holds requests of; the process is about to end.
    BATON_LOG(Debug) << "ucx: " << closing_.size() << " endpoints to dead peers are left";
    for (auto& connection : closing_) (void)connection.release();
    if (wake_fd_ >= 0) close(wake_fd_);
    return;
  }
  landing_.reset();
  for (ucp_mem_h memory : memory_) ucp_mem_unmap(context_, memory);
  if (worker_ != nullptr) ucp_worker_destroy(worker_);
  if (context_ != nullptr) ucp_cleanup(context_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

Result<MemoryRegion> UcxTransport::AllocateRegion(size_t bytes, MemoryKind memory) {
  if (regions_.size() >= kMaxRegions) return ResourceExhausted("no more regions");
  UcxAddress::Region shared{.bytes = bytes};
  MemoryRegion region{.bytes = bytes, .memory = memory};
  if (memory == MemoryKind::kHost) {
    BATON_ASSIGN_OR_RETURN(region.data, MapHostRegion(bytes, shared.remote_key));
  } else if (options_.device_memory == nullptr) {
    return InvalidArgument("this transport was given no device to allocate a region on");
  } else {
    BATON_ASSIGN_OR_RETURN(device::Allocation allocation, options_.device_memory->Allocate(bytes));
    region.data = allocation.get();
    device_regions_.push_back(std::move(allocation));
    const std::string why = options_.stage_device_memory ? "as asked" : WhyNoCuda(context_);
    BATON_RETURN_IF_ERROR(why.empty() ? MapDeviceRegion(region, shared.remote_key)
                                      : StageDeviceRegions(why));
  }
  shared.base = reinterpret_cast<uint64_t>(region.data);
  own_.regions.push_back(std::move(shared));
  regions_.push_back(region);
  return region;
}

/// Memory that UCX allocated can be written through shared memory; memory of our own could not.
Result<std::byte*> UcxTransport::MapHostRegion(size_t bytes, std::string& remote_key) {
  BATON_RETURN_IF_ERROR(CheckMemoryAvailable(bytes));
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_LENGTH | UCP_MEM_MAP_PARAM_FIELD_FLAGS;
  params.length = bytes;
  params.flags = UCP_MEM_MAP_ALLOCATE;
  ucp_mem_h memory = nullptr;
  const ucs_status_t status = ucp_mem_map(context_, &params, &memory);
  if (status != UCS_OK) {
    return ResourceExhausted("no shared memory of " + std::to_string(bytes) +
                             " bytes for the KV cache: " + ucs_status_string(status));
  }
  memory_.push_back(memory);
  ucp_mem_attr_t attributes{};
  attributes.field_mask = UCP_MEM_ATTR_FIELD_ADDRESS;
  BATON_RETURN_IF_ERROR(ToStatus(ucp_mem_query(memory, &attributes), "ucx memory"));
  auto* data = static_cast<std::byte*>(attributes.address);
  AskForHugePages(data, bytes);
  BATON_RETURN_IF_ERROR(TouchPages(data, bytes, options_.touching_threads));
  BATON_LOG(Info) << "KV memory of " << FormatBytes(static_cast<int64_t>(bytes)) << ", of which "
                  << FormatBytes(static_cast<int64_t>(BytesInHugePages(data))) << " in huge pages";
  BATON_ASSIGN_OR_RETURN(remote_key, PackKey(memory));
  return data;
}

Status UcxTransport::MapDeviceRegion(const MemoryRegion& region, std::string& remote_key) {
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH |
                      UCP_MEM_MAP_PARAM_FIELD_MEMORY_TYPE;
  params.address = region.data;
  params.length = region.bytes;
  params.memory_type = UCS_MEMORY_TYPE_CUDA;
  ucp_mem_h memory = nullptr;
  const ucs_status_t status = ucp_mem_map(context_, &params, &memory);
  if (status != UCS_OK) {
    return ResourceExhausted("ucx cannot register " + std::to_string(region.bytes) + " bytes of " +
                             std::string(options_.device_memory->name()) + ": " +
                             ucs_status_string(status));
  }
  memory_.push_back(memory);
  BATON_ASSIGN_OR_RETURN(remote_key, PackKey(memory));
  return OkStatus();
}

/// Staged regions have no remote key: without one nobody but us can write them.
Status UcxTransport::StageDeviceRegions(const std::string& why) {
  if (own_.staged) return OkStatus();
  device::DeviceMemory& memory = *options_.device_memory;
  BATON_ASSIGN_OR_RETURN(PinnedSlots slots,
                         PinnedSlots::Make(memory, kLandingSlots, kPieceBytesAsMessage));
  landing_ = std::make_unique<StagedLanding>(std::move(slots));
  own_.staged = true;
  BATON_LOG(Warning) << "KV on " << memory.name()
                     << " is staged through pinned host memory: " << why;
  return OkStatus();
}

Result<std::string> UcxTransport::PackKey(ucp_mem_h memory) const {
  void* key = nullptr;
  size_t key_bytes = 0;
  BATON_RETURN_IF_ERROR(
      ToStatus(ucp_rkey_pack(context_, memory, &key, &key_bytes), "ucx remote key"));
  std::string packed(static_cast<const char*>(key), key_bytes);
  ucp_rkey_buffer_release(key);
  return packed;
}

Result<std::string> UcxTransport::Address() const { return own_.Encode(); }

bool UcxTransport::SharesMemoryWith(const UcxAddress& peer) const {
  return own_.shared_memory && peer.shared_memory && own_.process.SharesKernelWith(peer.process);
}

Result<PeerId> UcxTransport::Connect(const std::string& peer_address, uint64_t connection_id) {
  BATON_ASSIGN_OR_RETURN(UcxAddress address, UcxAddress::Decode(peer_address));
  if (peer_of_tag_.contains(address.tag)) return AlreadyExists("connected to this peer");
  if (StillPutting(address.tag) || (landing_ && landing_->IsLandingOf(address.tag))) {
    return Unavailable("puts of an earlier connection are under way");
  }
  const PeerId peer{++last_peer_};
  const uint64_t tag = address.tag;
  const ProcessIdentity process = address.process;
  const bool shared_memory = SharesMemoryWith(address);
  const auto number = static_cast<uint32_t>(connection_id);
  BATON_ASSIGN_OR_RETURN(
      auto connection,
      UcxConnection::Open({.worker = worker_,
                           .tag = own_.tag,
                           .number = number,
                           .regions = regions_,
                           .direct_copies = options_.direct_copies,
                           .staged_from = own_.staged ? options_.device_memory : nullptr},
                          std::move(address), shared_memory));
  writers_[peer] = {process, connection->puts_are_messages()};
  if (writers_.size() > kMaxWriters) writers_.erase(writers_.begin());
  connections_[peer] = std::move(connection);
  peer_of_tag_[tag] = peer;
  return peer;
}

void UcxTransport::Disconnect(PeerId peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  std::unique_ptr<UcxConnection> connection = std::move(found->second);
  connections_.erase(found);
  peer_of_tag_.erase(connection->peer().tag);
  scratch_.clear();
  connection->Close(scratch_);
  for (TransferDone& done : scratch_) done_.push_back({peer, std::move(done)});
  scratch_.clear();
  Close(std::move(connection), options_.disconnect_deadline);
}

/// Waits for a closed connection, at most until the deadline; UCX finishes the rest in time, or
/// never when the peer is dead.
void UcxTransport::Close(std::unique_ptr<UcxConnection> connection, Duration deadline) {
  const Clock& clock = Clock::System();
  const TimePoint end = clock.Now() + deadline;
  while (!connection->Drained() && clock.Now() < end) {
    if (ucp_worker_progress(worker_) == 0) Poll(-1, kBusySleep);
  }
  if (!connection->Drained()) closing_.push_back(std::move(connection));
}

void UcxTransport::ReapClosing() {
  std::erase_if(closing_, [](const auto& connection) { return connection->Drained(); });
}

bool UcxTransport::StillPutting(uint64_t tag) const {
  return std::any_of(closing_.begin(), closing_.end(), [tag](const auto& connection) {
    return connection->peer().tag == tag && connection->putting();
  });
}

/// Both sides find the same lanes between them, so that the peer's puts are messages where ours
/// are, and those count only while we are connected.
bool UcxTransport::CanStillWrite(PeerId peer) const {
  const auto writer = writers_.find(peer);
  if (writer == writers_.end()) return true;
  if (writer->second.through_us && Find(peer) == nullptr) {
    return landing_ && landing_->IsLanding(peer);
  }
  const ProcessIdentity& process = writer->second.process;
  return !own_.process.SharesKernelWith(process) || !process.HasEnded();
}

bool UcxTransport::IsThere(PeerId peer) const {
  const auto writer = writers_.find(peer);
  if (writer == writers_.end()) return false;
  const ProcessIdentity& process = writer->second.process;
  return own_.process.SharesKernelWith(process) && !process.HasEnded();
}

Status UcxTransport::Send(PeerId peer, std::span<const std::byte> message) {
  if (message.size() > kMaxMessageBytes) return InvalidArgument("the message is too long");
  UcxConnection* connection = Find(peer);
  if (connection == nullptr) return Unavailable("not connected to the peer");
  return connection->Send(message);
}

Result<TransferId> UcxTransport::Put(PeerId peer, std::span<const Descriptor> descriptors) {
  UcxConnection* connection = Find(peer);
  if (connection == nullptr) return Unavailable("not connected to the peer");
  BATON_RETURN_IF_ERROR(
      CheckBounds(descriptors, own_.RegionBytes(), connection->peer().RegionBytes()));
  const TransferId transfer{++last_transfer_};
  connection->Put(transfer, MakePieces(descriptors, connection->piece_bytes()));
  return transfer;
}

Status UcxTransport::SetAmHandler(AmId id, ucp_am_recv_callback_t callback) {
  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                       UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = id;
  handler.flags = UCP_AM_FLAG_WHOLE_MSG;
  handler.cb = callback;
  handler.arg = this;
  return ToStatus(ucp_worker_set_am_recv_handler(worker_, &handler), "ucx message handler");
}

template <typename Header>
UcxConnection* UcxTransport::ReceiveAm(const void* header_bytes, size_t header_size,
                                       const ucp_am_recv_param_t* param, Header& header) {
  if (header_size != sizeof(header) || (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) {
    ++dropped_.malformed;
    return nullptr;
  }
  std::memcpy(&header, header_bytes, sizeof(header));
  const auto peer = peer_of_tag_.find(header.tag);
  if (peer == peer_of_tag_.end()) {
    ++dropped_.unknown_peer;
    return nullptr;
  }
  UcxConnection* connection = Find(peer->second);
  if (connection->number() == header.connection) return connection;
  ++dropped_.earlier_connection;
  return nullptr;
}

ucs_status_t UcxTransport::OnFragment(void* arg, const void* header_bytes, size_t header_size,
                                      void* data, size_t bytes, const ucp_am_recv_param_t* param) {
  auto* self = static_cast<UcxTransport*>(arg);
  FragmentHeader header;
  UcxConnection* connection = self->ReceiveAm(header_bytes, header_size, param, header);
  if (connection == nullptr) return UCS_OK;
  MessageAssembler& assembler = connection->assembler();
  if (!assembler.Add(header, {static_cast<const std::byte*>(data), bytes}))
    ++self->dropped_.malformed;
  while (std::optional<std::string> message = assembler.Next()) {
    self->received_.push_back({self->peer_of_tag_.at(header.tag), std::move(*message)});
  }
  return UCS_OK;
}

ucs_status_t UcxTransport::OnPut(void* arg, const void* header_bytes, size_t header_size,
                                 void* data, size_t bytes, const ucp_am_recv_param_t* param) {
  auto* self = static_cast<UcxTransport*>(arg);
  PutHeader header;
  UcxConnection* connection = self->ReceiveAm(header_bytes, header_size, param, header);
  if (connection == nullptr) return UCS_OK;
  const MemoryRegion to =
      header.region < self->regions_.size() ? self->regions_[header.region] : MemoryRegion{};
  if (bytes > to.bytes || header.offset > to.bytes - bytes) {
    ++self->dropped_.malformed;
    return UCS_OK;
  }
  if (to.memory == MemoryKind::kHost || !self->landing_) {
    std::memcpy(to.data + header.offset, data, bytes);
    connection->OnPieceArrived(header);
    return UCS_OK;
  }
  const StagedLanding::Piece piece{self->peer_of_tag_.at(header.tag), header};
  const std::span<const std::byte> arrived(static_cast<std::byte*>(data), bytes);
  const Status status = bytes > kPieceBytesAsMessage
                            ? InvalidArgument("the piece of a put is too long")
                            : self->landing_->Land(piece, arrived, to.data + header.offset);
  if (!status.ok()) self->ReportLanding(status);  // The peer never hears that its put is done.
  return UCS_OK;
}

/// Once for each row of failures, not for each piece.
void UcxTransport::ReportLanding(const Status& status) {
  if (!status.ok() && landing_works_) {
    BATON_LOG(Error) << "puts to us are lost: " << status.message();
  }
  landing_works_ = status.ok();
}

bool UcxTransport::PollLanding() {
  if (!landing_) return false;
  const Status status = landing_->Poll(landed_);
  ReportLanding(status);
  for (const StagedLanding::Piece& piece : landed_) {
    UcxConnection* connection = Find(piece.peer);
    if (connection != nullptr) connection->OnPieceArrived(piece.header);
  }
  const bool any = !landed_.empty();
  landed_.clear();
  return any;
}

bool UcxTransport::HasCopies() const {
  if (landing_ && landing_->landing()) return true;
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const auto& entry) { return entry.second->HasCopies(); });
}

ucs_status_t UcxTransport::OnPutDone(void* arg, const void* header_bytes, size_t header_size, void*,
                                     size_t, const ucp_am_recv_param_t* param) {
  auto* self = static_cast<UcxTransport*>(arg);
  PutHeader header;
  UcxConnection* connection = self->ReceiveAm(header_bytes, header_size, param, header);
  if (connection != nullptr) connection->OnPutDone(TransferId{header.transfer});
  return UCS_OK;
}

bool UcxTransport::Progress() {
  int events = 0;
  while (events < kEventsPerProgress && ucp_worker_progress(worker_) != 0) ++events;
  bool worked = events > 0;
  worked |= PollLanding();
  for (auto& [peer, connection] : connections_) {
    worked |= connection->Progress(scratch_);
    for (TransferDone& done : scratch_) done_.push_back({peer, std::move(done)});
    scratch_.clear();
  }
  if (!closing_.empty()) ReapClosing();
  worked |= Deliver();
  worked = worked || MapMore();
  if (worked) busy_ = 0;
  return worked;
}

/// While there is nothing else to do.
bool UcxTransport::MapMore() {
  return std::any_of(connections_.begin(), connections_.end(),
                     [](auto& each) { return each.second->MapMore(); });
}

/// The listener may call us back, e.g. Disconnect(); so nothing is iterated that it can change.
bool UcxTransport::Deliver() {
  const std::vector<Done> done = std::exchange(done_, {});
  const std::vector<Received> received = std::exchange(received_, {});
  for (const Done& one : done) {
    listener_->OnTransferDone(one.peer, one.transfer.transfer, one.transfer.status);
  }
  for (const Received& one : received) {
    if (Find(one.peer) == nullptr) continue;
    listener_->OnMessage(one.peer, std::as_bytes(std::span(one.bytes)));
  }
  return !done.empty() || !received.empty();
}

void UcxTransport::Wait(Duration timeout) {
  if (!done_.empty() || !received_.empty()) return;
  // A device's copies end without an event that could wake us.
  if (HasCopies()) return Poll(-1, std::min(timeout, kBusySleep));
  for (const auto& [peer, connection] : connections_) {
    if (connection->HasWork()) return;
  }
  if (ucp_worker_arm(worker_) == UCS_OK) {
    Poll(ucx_fd_, timeout);
  } else if (++busy_ > kBusyLimit) {
    Poll(-1, std::min(timeout, kBusySleep));
  }
}

/// Until one of the descriptors has something or the time is over. UCX's may be -1: none.
void UcxTransport::Poll(int ucx_fd, Duration timeout) {
  pollfd descriptors[2] = {{wake_fd_, POLLIN, 0}, {ucx_fd, POLLIN, 0}};
  const int64_t ns = std::max<int64_t>(timeout.count(), 0);
  const timespec limit{static_cast<time_t>(ns / 1'000'000'000), ns % 1'000'000'000};
  if (ppoll(descriptors, 2, &limit, nullptr) <= 0) return;
  if ((descriptors[0].revents & POLLIN) == 0) return;
  uint64_t count = 0;
  (void)!read(wake_fd_, &count, sizeof(count));
}

void UcxTransport::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_fd_, &one, sizeof(one));
}

Path UcxTransport::OfferedPaths() const {
  return ReadResources(Printed([this](FILE* out) { ucp_context_print_info(context_, out); }));
}

Path UcxTransport::FindPath(PeerId peer) const {
  const UcxConnection* connection = Find(peer);
  if (connection == nullptr) return {.text = "not connected"};
  Path path = ReadLanes(connection->EndpointInfo());
  path.staged = connection->staged();
  if (path.staged) path.text += ", staged through pinned host memory";
  return path;
}

std::optional<PathCost> UcxTransport::CostOf(PeerId peer) const {
  const UcxConnection* connection = Find(peer);
  return connection == nullptr ? std::nullopt : connection->cost();
}

UcxConnection* UcxTransport::Find(PeerId peer) const {
  const auto found = connections_.find(peer);
  return found == connections_.end() ? nullptr : found->second.get();
}

}  // namespace baton::transport
