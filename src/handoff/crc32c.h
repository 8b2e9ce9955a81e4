#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace baton::handoff {

/// CRC-32C (Castagnoli; reflected 0x82F63B78, start and end inverted), as in RFC 3720. Uses the
/// processor's instruction where there is one. `before` is the CRC of what goes before.
uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

/// The same without the instruction; for tests.
uint32_t Crc32cPortable(std::span<const std::byte> bytes, uint32_t before = 0);

/// crc32c_<isa>.cc: null where the processor or the build lacks it.
using Crc32cFunction = uint32_t (*)(std::span<const std::byte> bytes, uint32_t before);
Crc32cFunction Crc32cHardware();

}  // namespace baton::handoff
