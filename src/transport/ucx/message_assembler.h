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
  /// The same on both sides.
  uint32_t connection = 0;
  uint32_t message_bytes = 0;
  uint32_t offset = 0;
  uint32_t reserved = 0;
};

/// Puts the fragments of one connection together and gives its messages out in the order of
/// sending.
class MessageAssembler {
 public:
  /// False when the fragment is impossible, and so was dropped.
  bool Add(const FragmentHeader& header, std::span<const std::byte> fragment);
  /// The next message that is whole.
  std::optional<std::string> Next();

 private:
  struct Partial {
    std::string bytes;
    size_t received = 0;
  };

  uint64_t next_sequence_ = 0;
  std::map<uint64_t, Partial> partial_;
};

}  // namespace baton::transport
