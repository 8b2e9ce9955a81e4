#include <array>
#include <cstring>

#include <nmmintrin.h>

#include "crc32c.h"

namespace baton::handoff {
namespace {

uint64_t WordAt(const std::byte* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, 8);
  return word;
}

/// Bytes. Runs of 512 on are three times slower from memory: their distance defeats prefetching.
constexpr size_t kRun = 256;

/// What a CRC becomes when a run of zeros follows. A linear map of 32 bits, kept as a table for
/// each of their four bytes.
class FollowedByRun {
 public:
  FollowedByRun() {
    for (size_t row = 0; row < tables_.size(); ++row) {
      tables_[row][0] = 0;
      for (size_t bit = 1; bit < 256; bit *= 2) {
        uint64_t crc = bit << (8 * row);
        for (size_t i = 0; i < kRun; i += 8) crc = _mm_crc32_u64(crc, 0);
        for (size_t low = 0; low < bit; ++low) {
          tables_[row][bit + low] = static_cast<uint32_t>(crc) ^ tables_[row][low];
        }
      }
    }
  }
  uint32_t operator()(uint64_t crc) const {
    return tables_[0][crc & 0xFF] ^ tables_[1][crc >> 8 & 0xFF] ^ tables_[2][crc >> 16 & 0xFF] ^
           tables_[3][crc >> 24 & 0xFF];
  }

 private:
  std::array<std::array<uint32_t, 256>, 4> tables_;
};

/// The instruction takes three cycles and a new one may start in each, so three runs go side by
/// side and are joined at their end. Leaves what is less than three runs.
uint64_t TakeThreeRuns(uint32_t before, std::span<const std::byte>& bytes) {
  static const FollowedByRun followed_by_run;
  uint64_t crc = before;
  while (bytes.size() >= 3 * kRun) {
    const std::byte* run = bytes.data();
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kRun; i += 8) {
      crc = _mm_crc32_u64(crc, WordAt(run + i));
      second = _mm_crc32_u64(second, WordAt(run + kRun + i));
      third = _mm_crc32_u64(third, WordAt(run + 2 * kRun + i));
    }
    crc = followed_by_run(followed_by_run(crc) ^ second) ^ third;
    bytes = bytes.subspan(3 * kRun);
  }
  return crc;
}

uint32_t Crc32cSse42(std::span<const std::byte> bytes, uint32_t before) {
  uint64_t crc = TakeThreeRuns(~before, bytes);
  while (bytes.size() >= 8) {
    crc = _mm_crc32_u64(crc, WordAt(bytes.data()));
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
