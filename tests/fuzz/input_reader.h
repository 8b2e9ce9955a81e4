#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace baton::fuzz {

/// Takes values from the front of an input, as a target of several steps needs them; past its end
/// all are zero and empty. InputWriter makes such inputs.
class InputReader {
 public:
  explicit InputReader(std::string_view input) : rest_(input) {}

  bool empty() const { return rest_.empty(); }
  std::string_view Rest() { return Take(rest_.size()); }

  uint8_t Byte() { return Number<uint8_t>(); }
  template <typename T>
  T Number() {
    T value{};
    const std::string_view bytes = Take(sizeof(T));
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  /// At most 65535 bytes.
  std::string_view Text() { return Take(Number<uint16_t>()); }
  /// Up to a NUL byte, which is dropped, or to the end: parts that a mutation does not tear apart.
  std::string_view Part() {
    const std::string_view part = Take(std::min(rest_.find('\0'), rest_.size()));
    Take(1);
    return part;
  }

 private:
  std::string_view Take(size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

/// The bytes from which an InputReader takes the same values.
class InputWriter {
 public:
  template <typename T>
  InputWriter& Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  InputWriter& Byte(uint8_t value) { return Number(value); }
  InputWriter& Text(std::string_view text) {
    Number(static_cast<uint16_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  InputWriter& Rest(std::string_view rest) {
    bytes_ += rest;
    return *this;
  }
  InputWriter& Part(std::string_view part) {
    bytes_ += part;
    bytes_ += '\0';
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace baton::fuzz
