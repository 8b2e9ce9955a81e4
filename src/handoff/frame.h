#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "wire.h"

namespace baton::handoff {

/// 'B' 'H', version, kind, the body's length, and the CRC32C of these eight bytes and
/// the body; both little-endian.
inline constexpr size_t kFrameBytes = 12;

struct Frame {
  Kind kind{};
  std::span<const std::byte> body;
};

std::string MakeFrame(Kind kind, const std::string& body);
/// Ignored::kVersion for another version, kMalformed for anything that is not one whole frame.
std::variant<Frame, Ignored> ReadFrame(std::span<const std::byte> bytes);

}  // namespace baton::handoff
