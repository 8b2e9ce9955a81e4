#include "crc32c.h"

#include <array>

namespace baton::handoff {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;
using Tables = std::array<std::array<uint32_t, 256>, 8>;

/// Row k: the CRC of a byte followed by k zero bytes.
constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t row = 1; row < tables.size(); ++row) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = tables[row - 1][byte];
      tables[row][byte] = (crc >> 8) ^ tables[0][crc & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t before) {
  static const Crc32cFunction hardware = Crc32cHardware();
  return hardware != nullptr ? hardware(bytes, before) : Crc32cPortable(bytes, before);
}

uint32_t Crc32cPortable(std::span<const std::byte> bytes, uint32_t before) {
  uint32_t crc = ~before;
  while (bytes.size() >= 8) {
    uint32_t next = 0;
    for (size_t i = 0; i < 4; ++i) {
      const uint32_t byte = static_cast<uint8_t>(bytes[i]) ^ ((crc >> (8 * i)) & 0xFF);
      next ^= kTables[7 - i][byte];
    }
    for (size_t i = 4; i < 8; ++i) next ^= kTables[7 - i][static_cast<uint8_t>(bytes[i])];
    crc = next;
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  }
  return ~crc;
}

}  // namespace baton::handoff
