#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "nccl_api.h"

namespace baton::transport {

/// What the two ends tell each other beside the messages of their owners. `generation` counts the
/// communicators of one direction of one connection, from 1.

/// We have connected: from now on both may send.
struct NcclHello {};

/// The sender of a direction: let us make a communicator.
struct NcclInvite {
  uint32_t generation = 0;
  NcclUniqueId id{};
};

/// The sender: receive these runs, in this order; they are one launch.
struct NcclPut {
  struct Run {
    /// Of the receiver.
    uint32_t region = 0;
    uint64_t offset = 0;
    uint64_t bytes = 0;
  };
  uint32_t generation = 0;
  uint64_t transfer = 0;
  /// No more launches follow for this transfer.
  bool last = false;
  std::vector<Run> runs;
};

/// The receiver: all of the transfer is in place.
struct NcclPutDone {
  uint32_t generation = 0;
  uint64_t transfer = 0;
};

/// Of the sender: the communicator is given up; do so too. Of the receiver: it is given up, and
/// nothing of it can write here any more; said once, of its own or as the answer.
struct NcclFailed {
  uint32_t generation = 0;
  bool by_sender = false;
  std::string reason;
};

/// A message of the owner, or a part that the next one continues.
struct NcclPayload {
  bool continues = false;
  std::span<const std::byte> bytes;
};

using NcclMessage =
    std::variant<NcclPayload, NcclHello, NcclInvite, NcclPut, NcclPutDone, NcclFailed>;

std::string Encode(const NcclMessage& message);
/// Nothing when it is none of ours. A payload points into `bytes`.
std::optional<NcclMessage> DecodeNccl(std::span<const std::byte> bytes);

/// What a transport tells its peers about itself.
struct NcclAddress {
  bool sends = false;
  bool receives = false;
  int version = 0;
  std::vector<uint64_t> region_bytes;
  /// Of the transport that carries messages.
  std::string messages;

  std::string Encode() const;
  /// Fails with InvalidArgument.
  static Result<NcclAddress> Decode(const std::string& bytes);
};

}  // namespace baton::transport
