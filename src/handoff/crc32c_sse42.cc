#include <cstring>

#include <nmmintrin.h>

#include "crc32c.h"

namespace baton::handoff {
namespace {

uint32_t Crc32cSse42(std::span<const std::byte> bytes, uint32_t before) {
  uint64_t crc = ~before;
  while (bytes.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    crc = _mm_crc32_u64(crc, word);
    bytes = bytes.subspan(8);
  }
  uint32_t rest = static_cast<uint32_t>(crc);
  for (const std::byte byte : bytes) rest = _mm_crc32_u8(rest, static_cast<uint8_t>(byte));
  return ~rest;
}

}  // namespace

Crc32cFunction Crc32cHardware() {
  return __builtin_cpu_supports("sse4.2") ? &Crc32cSse42 : nullptr;
}

}  // namespace baton::handoff
