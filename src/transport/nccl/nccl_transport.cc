#include "nccl_transport.h"

#include <algorithm>
#include <utility>

#include "../descriptors.h"
#include "baton/base/logging.h"

namespace baton::transport {
namespace {

/// Of a send or receive; launches are made of them.
constexpr uint64_t kPieceBytes = uint64_t{64} << 20;
/// Between two looks at a device that is busy for us: its work ends without an event.
constexpr Duration kBusySleep = std::chrono::microseconds(100);

std::vector<uint64_t> RegionBytes(const std::vector<MemoryRegion>& regions) {
  std::vector<uint64_t> bytes;
  for (const MemoryRegion& region : regions) bytes.push_back(region.bytes);
  return bytes;
}

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
// Implied since C++20, which clang 14 does not know yet.
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace

NcclTransport::NcclTransport(const NcclOptions& options, Parts parts)
    : parts_(std::move(parts)), around_{*parts_.api, *parts_.memory, options, {}} {
  parts_.messages->SetListener(this);
}

/// Memory that a communicator may still write is never freed.
NcclTransport::~NcclTransport() {
  while (!connections_.empty()) Disconnect(connections_.begin()->first);
  const Clock& clock = Clock::System();
  const TimePoint end = clock.Now() + around_.options.close_deadline;
  while (!buried_.empty() && clock.Now() < end) {
    if (!Dig()) parts_.messages->Wait(kBusySleep);
  }
  if (buried_.empty()) return;
  BATON_LOG(Warning) << "nccl: " << buried_.size() << " aborted communicators do not end";
  for (Buried& buried : buried_) (void)buried.communicator.release();
  for (device::Allocation& region : regions_) (void)region.release();
  (void)new std::shared_ptr(parts_.memory);  // Outlives them.
}

Result<MemoryRegion> NcclTransport::AllocateRegion(size_t bytes, MemoryKind memory) {
  if (memory != MemoryKind::kDevice) return InvalidArgument("nccl moves memory of devices only");
  if (regions_.size() >= kMaxRegions) return ResourceExhausted("no more regions");
  BATON_ASSIGN_OR_RETURN(device::Allocation region, parts_.memory->Allocate(bytes));
  around_.regions.push_back({region.get(), bytes, memory});
  regions_.push_back(std::move(region));
  return around_.regions.back();
}

Result<std::string> NcclTransport::Address() const {
  NcclAddress address{.sends = around_.options.sends,
                      .receives = around_.options.receives,
                      .version = parts_.api->version(),
                      .region_bytes = RegionBytes(around_.regions)};
  BATON_ASSIGN_OR_RETURN(address.messages, parts_.messages->Address());
  return address.Encode();
}

Status NcclTransport::CheckPeer(const NcclAddress& address) const {
  if (address.version != parts_.api->version()) {
    return FailedPrecondition("the peer has nccl " + nccl::VersionText(address.version) +
                              ", which does not work with " +
                              nccl::VersionText(parts_.api->version()) + " here");
  }
  for (const Buried& buried : buried_) {
    if (!buried.receives || buried.address != address.messages) continue;
    return Unavailable("puts of an earlier connection are under way");
  }
  return OkStatus();
}

Result<PeerId> NcclTransport::Connect(const std::string& peer_address, uint64_t connection_id) {
  BATON_ASSIGN_OR_RETURN(NcclAddress address, NcclAddress::Decode(peer_address));
  BATON_RETURN_IF_ERROR(CheckPeer(address));
  BATON_ASSIGN_OR_RETURN(const PeerId peer,
                         parts_.messages->Connect(address.messages, connection_id));
  auto connection = std::make_unique<Connection>();
  if (around_.options.sends && address.receives) {
    connection->sender.emplace(around_, Sender(peer), Burier(peer, address.messages, false));
  }
  if (around_.options.receives && address.sends) {
    connection->receiver.emplace(around_, Sender(peer), Burier(peer, address.messages, true));
  }
  connection->address = std::move(address);
  connections_[peer] = std::move(connection);
  last_peer_ = std::max(last_peer_, static_cast<uint32_t>(peer));
  return peer;
}

NcclSender::Send NcclTransport::Sender(PeerId peer) {
  return [this, peer](const NcclMessage& message) {
    const std::string bytes = Encode(message);
    return parts_.messages->Send(peer, std::as_bytes(std::span(bytes)));
  };
}

NcclSender::Bury NcclTransport::Burier(PeerId peer, const std::string& address, bool receives) {
  return [this, peer, address, receives](std::unique_ptr<NcclCommunicator> communicator) {
    buried_.push_back({peer, address, receives, std::move(communicator)});
  };
}

void NcclTransport::Prepare(PeerId peer) {
  if (Connection* connection = Find(peer)) Meet(peer, *connection, true);
}

void NcclTransport::Meet(PeerId peer, Connection& connection, bool say_so) {
  if (std::exchange(connection.met, true)) return;
  if (say_so) (void)Sender(peer)(NcclHello{});
  if (connection.sender) connection.sender->Open(parts_.clock->Now());
}

void NcclTransport::Disconnect(PeerId peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  const std::unique_ptr<Connection> connection = std::move(found->second);
  connections_.erase(found);
  scratch_.clear();
  if (connection->sender) connection->sender->Close(scratch_);
  if (connection->receiver) connection->receiver->Close();
  for (TransferDone& done : scratch_) done_.push_back({peer, std::move(done)});
  scratch_.clear();
  parts_.messages->Disconnect(peer);
}

/// Only our own receives write our region: without a registration no sender reaches it directly.
bool NcclTransport::CanStillWrite(PeerId peer) const {
  if (connections_.contains(peer) || static_cast<uint32_t>(peer) > last_peer_) return true;
  return std::any_of(buried_.begin(), buried_.end(), [peer](const Buried& buried) {
    return buried.receives && buried.peer == peer;
  });
}

DroppedCounts NcclTransport::dropped() const {
  DroppedCounts counts = parts_.messages->dropped();
  counts.malformed += malformed_;
  return counts;
}

/// With the two bytes before it the longest message is too long for one.
Status NcclTransport::Send(PeerId peer, std::span<const std::byte> message) {
  if (message.size() > kMaxMessageBytes) return InvalidArgument("the message is too long");
  Connection* connection = Find(peer);
  if (connection == nullptr) return Unavailable("not connected to the peer");
  Meet(peer, *connection, true);
  const size_t half = message.size() / 2;
  if (message.size() + 2 > kMaxMessageBytes) {
    BATON_RETURN_IF_ERROR(Sender(peer)(NcclPayload{true, message.first(half)}));
    message = message.subspan(half);
  }
  return Sender(peer)(NcclPayload{false, message});
}

Result<TransferId> NcclTransport::Put(PeerId peer, std::span<const Descriptor> descriptors) {
  Connection* connection = Find(peer);
  if (connection == nullptr) return Unavailable("not connected to the peer");
  if (!connection->sender) {
    return FailedPrecondition("no puts go this way: one side was not made for them");
  }
  BATON_RETURN_IF_ERROR(
      CheckBounds(descriptors, RegionBytes(around_.regions), connection->address.region_bytes));
  Meet(peer, *connection, true);
  const TransferId transfer{++last_transfer_};
  connection->sender->Put(transfer, MakePieces(descriptors, kPieceBytes));
  return transfer;
}

void NcclTransport::OnMessage(PeerId peer, std::span<const std::byte> bytes) {
  Connection* connection = Find(peer);
  if (connection == nullptr) return;
  const std::optional<NcclMessage> message = DecodeNccl(bytes);
  if (!message) {
    ++malformed_;
    return;
  }
  Meet(peer, *connection, false);
  const TimePoint now = parts_.clock->Now();
  auto& sender = connection->sender;
  auto& receiver = connection->receiver;
  std::visit(Overloaded{[&](const NcclPayload& payload) { OnPayload(peer, payload); },
                        [](const NcclHello&) {},
                        [&](const NcclInvite& invite) {
                          if (receiver) receiver->OnInvite(invite, now);
                        },
                        [&](const NcclPut& put) {
                          if (receiver) receiver->OnPut(put, now);
                        },
                        [&](const NcclPutDone& done) {
                          if (sender) sender->OnPutDone(done, now);
                        },
                        [&](const NcclFailed& failed) {
                          if (failed.by_sender && receiver) receiver->OnFailed(failed);
                          if (!failed.by_sender && sender) sender->OnFailed(failed, now);
                        }},
             *message);
}

/// The listener may disconnect the peer, so the connection is not touched after it was called.
void NcclTransport::OnPayload(PeerId peer, const NcclPayload& payload) {
  Connection& connection = *Find(peer);
  if (!payload.continues && connection.partial.empty()) {
    return listener_->OnMessage(peer, payload.bytes);
  }
  const size_t bytes = connection.partial.size() + payload.bytes.size();
  if (bytes > kMaxMessageBytes) return connection.partial.clear();
  connection.partial.append(reinterpret_cast<const char*>(payload.bytes.data()),
                            payload.bytes.size());
  if (payload.continues) return;
  const std::string whole = std::exchange(connection.partial, {});
  listener_->OnMessage(peer, std::as_bytes(std::span(whole)));
}

bool NcclTransport::Progress() {
  bool worked = parts_.messages->Progress();
  const TimePoint now = parts_.clock->Now();
  for (auto& [peer, connection] : connections_) {
    if (connection->receiver) worked |= connection->receiver->Progress(now);
    if (connection->sender) worked |= connection->sender->Progress(now, scratch_);
    for (TransferDone& done : scratch_) done_.push_back({peer, std::move(done)});
    scratch_.clear();
  }
  worked |= Dig();
  return Deliver() || worked;
}

bool NcclTransport::Dig() {
  return std::erase_if(buried_, [](const Buried& buried) { return buried.communicator->Quiet(); }) >
         0;
}

/// The listener may call us back, e.g. Disconnect(); so nothing is iterated that it can change.
bool NcclTransport::Deliver() {
  const std::vector<Done> done = std::exchange(done_, {});
  for (const Done& one : done) {
    listener_->OnTransferDone(one.peer, one.transfer.transfer, one.transfer.status);
  }
  return !done.empty();
}

bool NcclTransport::Busy() const {
  if (!buried_.empty()) return true;
  return std::any_of(connections_.begin(), connections_.end(), [](const auto& entry) {
    const Connection& connection = *entry.second;
    return (connection.sender && connection.sender->busy()) ||
           (connection.receiver && connection.receiver->busy());
  });
}

void NcclTransport::Wait(Duration timeout) {
  if (!done_.empty()) return;
  parts_.messages->Wait(Busy() ? std::min(timeout, kBusySleep) : timeout);
}

Path NcclTransport::OfferedPaths() const {
  return {.kinds = {PathKind::kNccl},
          .text = "nccl " + nccl::VersionText(parts_.api->version()) + " on " +
                  std::string(parts_.memory->name())};
}

Path NcclTransport::FindPath(PeerId peer) const {
  const Connection* connection = Find(peer);
  if (connection == nullptr) return {.text = "not connected"};
  Path path = OfferedPaths();
  path.text += ", messages over " + parts_.messages->DescribePath(peer);
  return path;
}

NcclTransport::Connection* NcclTransport::Find(PeerId peer) const {
  const auto found = connections_.find(peer);
  return found == connections_.end() ? nullptr : found->second.get();
}

}  // namespace baton::transport
