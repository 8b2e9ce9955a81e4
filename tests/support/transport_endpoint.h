#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "baton/transport/transport.h"

namespace baton::transport {

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

  Endpoint(std::unique_ptr<Transport> made, size_t region_bytes) : transport(std::move(made)) {
    transport->SetListener(this);
    region = *transport->AllocateRegion(region_bytes);
  }
  void OnMessage(PeerId peer, std::span<const std::byte> message) override {
    messages.push_back({peer,
                        {reinterpret_cast<const char*>(message.data()), message.size()},
                        {reinterpret_cast<const char*>(region.data), watched}});
  }
  void OnTransferDone(PeerId peer, TransferId transfer, Status status) override {
    done.push_back({peer, transfer, std::move(status)});
  }
  Status Send(PeerId peer, const std::string& message) {
    return transport->Send(peer, std::as_bytes(std::span(message)));
  }

  std::unique_ptr<Transport> transport;
  MemoryRegion region;
  size_t watched = 0;
  std::vector<Message> messages;
  std::vector<Done> done;
};

}  // namespace baton::transport
