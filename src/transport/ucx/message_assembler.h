#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "baton/transport/transport.h"

namespace baton::transport {

/// Goes before each fragment of a message.
struct FragmentHeader {
  /// Of the sender's address.
  uint64_t tag = 0;
  /// Counts the messages of a connection.
  uint64_t sequence = 0;
  /// Grows with each connection that the sender opens.
  uint32_t connection = 0;
  uint32_t message_bytes = 0;
  uint32_t offset = 0;
  uint32_t reserved = 0;
};

/// Puts the fragments of one sender together and gives its messages out in the order of sending.
/// Fragments of earlier connections are dropped; the first of a later one starts anew.
class MessageAssembler {
 public:
  /// Whether what comes over the sender's connection of this number counts; a greater number than
  /// before starts anew.
  bool Accepts(uint32_t connection);
  /// False when the fragment is impossible or of an earlier connection, and so was dropped.
  bool Add(const FragmentHeader& header, std::span<const std::byte> fragment);
  /// The next message that is whole.
  std::optional<std::string> Next();

 private:
  struct Partial {
    std::string bytes;
    size_t received = 0;
  };

  uint32_t connection_ = 0;
  uint64_t next_sequence_ = 0;
  std::map<uint64_t, Partial> partial_;
};

}  // namespace baton::transport
