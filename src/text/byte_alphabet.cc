#include "byte_alphabet.h"

#include <array>

#include "baton/text/utf8.h"

namespace baton::text {
namespace {

constexpr size_t kCharacters = 0x144;

/// The byte of each character of the alphabet, or -1.
std::array<int, kCharacters> MakeBytes() {
  std::array<int, kCharacters> bytes;
  bytes.fill(-1);
  size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool prints =
        (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[prints ? static_cast<size_t>(byte) : next++] = byte;
  }
  return bytes;
}

}  // namespace

std::optional<std::string> BytesOfWritten(std::string_view written) {
  static const std::array<int, kCharacters> kBytes = MakeBytes();
  std::string bytes;
  while (!written.empty()) {
    const Utf8Step step = NextUtf8(written);
    const bool known = step.kind == Utf8Step::Kind::kCharacter && step.code_point < kCharacters &&
                       kBytes[step.code_point] >= 0;
    if (!known) return std::nullopt;
    bytes += static_cast<char>(kBytes[step.code_point]);
    written.remove_prefix(step.bytes);
  }
  return bytes;
}

}  // namespace baton::text
