#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace baton {

/// Numbers in what processes tell each other are as in memory: little-endian.
template <typename T>
void AppendNumber(std::string& out, T value) {
  static_assert(std::is_integral_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// Preceded by its length in 32 bits.
inline void AppendText(std::string& out, std::string_view text) {
  AppendNumber(out, static_cast<uint32_t>(text.size()));
  out += text;
}

/// Takes values from the front of bytes from outside; `ok` turns false at the first that is not
/// there.
struct ByteReader {
  std::string_view rest;
  bool ok = true;

  std::string_view Take(size_t bytes) {
    ok = ok && bytes <= rest.size();
    if (!ok) return {};
    const std::string_view taken = rest.substr(0, bytes);
    rest.remove_prefix(bytes);
    return taken;
  }
  template <typename T>
  T Number() {
    T value{};
    const std::string_view bytes = Take(sizeof(value));
    if (ok) std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
  }
  /// What AppendText() wrote.
  std::string Text() { return std::string(Take(Number<uint32_t>())); }
  /// All was there, and no more.
  bool AtEnd() const { return ok && rest.empty(); }
};

}  // namespace baton
