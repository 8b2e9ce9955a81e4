#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "baton/transport/nodes.h"

namespace baton::transport {

/// What the transports of a worker's nodes tell each other: the kinds of frames. The leader asks
/// for the first three; `peer` is its number of one.
enum class NodeFrame : uint32_t {
  kConnect = kFirstTransportFrame,
  kDisconnect,
  kPut,
  kReply,    ///< To the first two.
  kPutDone,  ///< Before the reply to a kDisconnect that ends it.
  kWriters,  ///< Of a peer that was disconnected: this has changed.
};

struct ConnectFrame {
  uint32_t peer = 0;
  uint64_t connection = 0;
  /// Of all its nodes.
  std::string address;
};

/// What a follower knows of a peer.
struct PeerState {
  bool can_still_write = true;
  bool is_there = false;
};

struct ReplyFrame {
  uint32_t peer = 0;
  Status status;
  PeerState state;
  Path path;
};

/// Of a put the part between one node of ours and one of the peer's.
struct PutFrame {
  uint32_t peer = 0;
  uint32_t peer_node = 0;
  uint64_t transfer = 0;
  /// By the two nodes' own regions.
  std::vector<Descriptor> descriptors;
};

struct PutDoneFrame {
  uint64_t transfer = 0;
  Status status;
};

std::string Encode(const ConnectFrame& frame);
std::string Encode(const ReplyFrame& frame);
std::string Encode(const PutFrame& frame);
std::string Encode(const PutDoneFrame& frame);

/// They fail with DataLoss for what is none.
Result<ConnectFrame> DecodeConnect(std::string_view bytes);
Result<ReplyFrame> DecodeReply(std::string_view bytes);
Result<PutFrame> DecodePut(std::string_view bytes);
Result<PutDoneFrame> DecodePutDone(std::string_view bytes);

/// A node as others reach it. How many regions it has is not known where it is the only one.
struct NodeAddress {
  std::string address;
  std::optional<uint32_t> regions;
};

std::string EncodeAddress(std::span<const NodeAddress> nodes);
/// Any other address is that of one node. Fails with InvalidArgument.
Result<std::vector<NodeAddress>> DecodeAddress(const std::string& address);

/// What two paths are together.
Path Both(const Path& one, const Path& other);

}  // namespace baton::transport
