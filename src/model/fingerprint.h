#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace baton::model {

/// A 128-bit hash that tells models apart. Not for adversaries.
class Fingerprint {
 public:
  void Add(std::span<const std::byte> bytes);
  void Add(const std::string& text);
  void Add(uint64_t value);
  /// 32 hexadecimal digits.
  std::string ToString() const;

 private:
  uint64_t a_ = 0x243F6A8885A308D3;
  uint64_t b_ = 0x13198A2E03707344;
};

}  // namespace baton::model
