#include "message_assembler.h"

#include <algorithm>

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
  auto found = partial_.find(header.sequence);
  if (found == partial_.end()) {
    if (total > kMaxPartialBytes - partial_bytes_) return false;
    found = partial_.try_emplace(header.sequence).first;
    found->second.bytes.resize(total);
    partial_bytes_ += total;
  }
  Partial& partial = found->second;
  if (partial.bytes.size() != total) return false;
  std::copy(fragment.begin(), fragment.end(),
            std::as_writable_bytes(std::span(partial.bytes)).begin() + header.offset);
  partial.received += fragment.size();
  return true;
}

std::optional<std::string> MessageAssembler::Next() {
  const auto first = partial_.begin();
  if (first == partial_.end() || first->first != next_sequence_) return std::nullopt;
  if (first->second.received < first->second.bytes.size()) return std::nullopt;
  std::string message = std::move(first->second.bytes);
  partial_bytes_ -= message.size();
  partial_.erase(first);
  ++next_sequence_;
  return message;
}

}  // namespace baton::transport
