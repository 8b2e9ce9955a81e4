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
  /// False when the fragment is impossible, or of more messages than a sender has under way, and so
  /// was dropped.
  bool Add(const FragmentHeader& header, std::span<const std::byte> fragment);
  /// The next message that is whole.
  std::optional<std::string> Next();

  /// Most bytes of messages that are not whole: as many as a sender of ours lets wait.
  static constexpr size_t kMaxPartialBytes = size_t{64} << 20;

 private:
  struct Partial {
    std::string bytes;
    size_t received = 0;
  };

  uint64_t next_sequence_ = 0;
  std::map<uint64_t, Partial> partial_;
  /// Of all in partial_.
  size_t partial_bytes_ = 0;
};

}  // namespace baton::transport
