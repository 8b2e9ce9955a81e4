#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baton/transport/transport.h"

namespace baton::transport {

/// How a test reads and writes regions.
struct RegionAccess {
  MemoryKind memory = MemoryKind::kHost;
  using Copy = std::function<void(std::byte* to, const std::byte* from, size_t bytes)>;
  /// Out of a region and into it.
  Copy read = [](std::byte* to, const std::byte* from, size_t bytes) {
    std::memcpy(to, from, bytes);
  };
  Copy write = read;
};

/// A transport, its region, and what it was told.
struct Endpoint final : TransportListener {
  struct Message {
    PeerId peer{};
    std::string bytes;
    /// The region when the message arrived, as far as `watched` goes.
    std::string region;
  };
  struct Done {
    PeerId peer{};
    TransferId transfer{};
    Status status;
  };

  Endpoint(std::unique_ptr<Transport> made, size_t region_bytes, RegionAccess region_access = {})
      : transport(std::move(made)), access(std::move(region_access)) {
    transport->SetListener(this);
    region = Allocate(region_bytes);
  }
  void OnMessage(PeerId peer, std::span<const std::byte> message) override {
    messages.push_back(
        {peer, {reinterpret_cast<const char*>(message.data()), message.size()}, Read(0, watched)});
  }
  void OnTransferDone(PeerId peer, TransferId transfer, Status status) override {
    done.push_back({peer, transfer, std::move(status)});
  }
  Status Send(PeerId peer, const std::string& message) {
    return transport->Send(peer, std::as_bytes(std::span(message)));
  }
  MemoryRegion Allocate(size_t bytes) const {
    return *transport->AllocateRegion(bytes, access.memory);
  }
  std::string Read(const MemoryRegion& from, size_t offset, size_t bytes) const {
    std::string text(bytes, '\0');
    access.read(reinterpret_cast<std::byte*>(text.data()), from.data + offset, bytes);
    return text;
  }
  void Write(const MemoryRegion& to, size_t offset, std::string_view bytes) const {
    access.write(to.data + offset, reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  }
  /// Of the first region.
  std::string Read(size_t offset, size_t bytes) const { return Read(region, offset, bytes); }
  void Write(size_t offset, std::string_view bytes) const { Write(region, offset, bytes); }

  std::unique_ptr<Transport> transport;
  RegionAccess access;
  MemoryRegion region;
  size_t watched = 0;
  std::vector<Message> messages;
  std::vector<Done> done;
};

}  // namespace baton::transport
