#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton::text {

/// U+FFFD, which stands for broken UTF-8.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// One step through bytes that may be UTF-8.
struct Utf8Step {
  enum class Kind { kCharacter, kBroken, kIncomplete };
  Kind kind = Kind::kCharacter;
  /// Bytes of the character, or of the broken sequence that one U+FFFD replaces (Unicode's "maximal
  /// subpart"), or of the incomplete character at the end.
  size_t bytes = 0;
  char32_t code_point = 0;
};

/// REQUIRES: `text` is not empty.
Utf8Step NextUtf8(std::string_view text);

bool IsValidUtf8(std::string_view text);

/// `text` with each broken sequence replaced by U+FFFD.
std::string ToValidUtf8(std::string_view text);

/// REQUIRES: `code_point` <= 0x10FFFF.
void AppendUtf8(char32_t code_point, std::string& out);

}  // namespace baton::text
