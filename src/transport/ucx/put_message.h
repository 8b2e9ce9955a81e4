#pragma once

#include <cstdint>

namespace baton::transport {

/// Identifiers of our active messages.
enum AmId : unsigned {
  kFragmentAm = 0,
  /// A piece of a put, where the path has no put of its own or the memory is a device's.
  kPutAm = 1,
  /// All pieces of a transfer are in place.
  kPutDoneAm = 2,
};

/// Most bytes of a piece that travels as a message.
inline constexpr uint64_t kPieceBytesAsMessage = uint64_t{64} << 10;

/// The header of kPutAm, whose data go to `offset` of the receiver's `region`, and of kPutDoneAm.
///
/// UCX has puts over TCP, but 1.13 makes them of messages that the receiver confirms by itself, and
/// ends the receiver's process when the confirmation finds the sender dead.
struct PutHeader {
  /// Of the sender's address.
  uint64_t tag = 0;
  uint64_t transfer = 0;
  uint64_t offset = 0;
  /// The same on both sides.
  uint32_t connection = 0;
  /// Of the whole transfer.
  uint32_t pieces = 0;
  uint32_t region = 0;
  uint32_t reserved = 0;
};

}  // namespace baton::transport
