#include "fingerprint.h"

#include <cstdio>
#include <cstring>

namespace baton::model {

void Fingerprint::Add(uint64_t value) {
  a_ = (a_ ^ value) * 0x9E3779B97F4A7C15;
  a_ ^= a_ >> 29;
  b_ = (b_ + value) * 0xC2B2AE3D27D4EB4F;
  b_ ^= b_ >> 31;
}

void Fingerprint::Add(std::span<const std::byte> bytes) {
  Add(uint64_t{bytes.size()});
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    Add(word);
  }
  uint64_t rest = 0;
  if (!bytes.empty()) std::memcpy(&rest, bytes.data(), bytes.size());
  Add(rest);
}

void Fingerprint::Add(const std::string& text) { Add(std::as_bytes(std::span(text))); }

std::string Fingerprint::ToString() const {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(a_),
                static_cast<unsigned long long>(b_));
  return text;
}

}  // namespace baton::model
