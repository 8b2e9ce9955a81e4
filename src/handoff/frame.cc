#include "frame.h"

#include "crc32c.h"

namespace baton::handoff {
namespace {

constexpr uint8_t kMagic[2] = {'B', 'H'};

uint8_t ByteAt(std::span<const std::byte> bytes, size_t index) {
  return static_cast<uint8_t>(bytes[index]);
}

uint32_t LittleEndianAt(std::span<const std::byte> bytes, size_t index) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{ByteAt(bytes, index + i)} << (8 * i);
  return value;
}

void AppendLittleEndian(std::string& out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

/// Of all but itself: a damaged kind must not make one message another.
uint32_t Checksum(std::span<const std::byte> start, std::span<const std::byte> body) {
  return Crc32c(body, Crc32c(start));
}

}  // namespace

std::string MakeFrame(Kind kind, const std::string& body) {
  std::string frame;
  frame.reserve(kFrameBytes + body.size());
  frame.push_back(static_cast<char>(kMagic[0]));
  frame.push_back(static_cast<char>(kMagic[1]));
  frame.push_back(static_cast<char>(kProtocolVersion));
  frame.push_back(static_cast<char>(kind));
  AppendLittleEndian(frame, static_cast<uint32_t>(body.size()));
  AppendLittleEndian(frame,
                     Checksum(std::as_bytes(std::span(frame)), std::as_bytes(std::span(body))));
  return frame + body;
}

std::variant<Frame, Ignored> ReadFrame(std::span<const std::byte> bytes) {
  if (bytes.size() < kFrameBytes || ByteAt(bytes, 0) != kMagic[0] ||
      ByteAt(bytes, 1) != kMagic[1]) {
    return Ignored::kMalformed;
  }
  if (ByteAt(bytes, 2) != kProtocolVersion) return Ignored::kVersion;
  const uint8_t kind = ByteAt(bytes, 3);
  const std::span<const std::byte> body = bytes.subspan(kFrameBytes);
  if (kind < static_cast<uint8_t>(Kind::kOffer) || kind > static_cast<uint8_t>(Kind::kAbortAck) ||
      LittleEndianAt(bytes, 4) != body.size() ||
      LittleEndianAt(bytes, 8) != Checksum(bytes.first(8), body)) {
    return Ignored::kMalformed;
  }
  return Frame{static_cast<Kind>(kind), body};
}

/// By the header alone: whether the rest is sound is for the side to find out.
Side SideOf(std::span<const std::byte> message) {
  if (message.size() < kFrameBytes) return Side::kNone;
  switch (static_cast<Kind>(ByteAt(message, 3))) {
    case Kind::kOffer:
    case Kind::kAbortByDecode: return Side::kPrefill;
    case Kind::kRefuse:
    case Kind::kProgress:
    case Kind::kCommit:
    case Kind::kAbortByPrefill:
    case Kind::kAbortAck: return Side::kDecode;
  }
  return Side::kNone;
}

}  // namespace baton::handoff
