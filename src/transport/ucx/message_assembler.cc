#include "message_assembler.h"

#include <cstring>

namespace baton::transport {
namespace {

/// How far ahead of the next message a fragment may be.
constexpr uint64_t kMaxAhead = 1024;

}  // namespace

bool MessageAssembler::Add(const FragmentHeader& header, std::span<const std::byte> fragment) {
  const size_t total = header.message_bytes;
  if (total > Transport::kMaxMessageBytes || header.offset > total ||
      fragment.size() > total - header.offset) {
    return false;
  }
  if (header.sequence < next_sequence_ || header.sequence - next_sequence_ > kMaxAhead) {
    return false;
  }
  Partial& partial = partial_[header.sequence];
  if (partial.received == 0) partial.bytes.resize(total);
  if (partial.bytes.size() != total) return false;
  std::memcpy(partial.bytes.data() + header.offset, fragment.data(), fragment.size());
  partial.received += fragment.size();
  return true;
}

std::optional<std::string> MessageAssembler::Next() {
  const auto first = partial_.begin();
  if (first == partial_.end() || first->first != next_sequence_) return std::nullopt;
  if (first->second.received < first->second.bytes.size()) return std::nullopt;
  std::string message = std::move(first->second.bytes);
  partial_.erase(first);
  ++next_sequence_;
  return message;
}

}  // namespace baton::transport
