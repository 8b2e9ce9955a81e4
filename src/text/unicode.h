#pragma once

#include <string>
#include <string_view>

#include "baton/base/status.h"

namespace baton::text {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

/// REQUIRES: valid UTF-8.
std::string Normalize(std::string_view text, NormalForm form);

/// Unicode's White_Space.
bool IsSpace(char32_t code_point);
/// What regular expressions call \w: letters, marks, decimal digits, connectors, joiners.
bool IsWord(char32_t code_point);

/// General categories L, Nd and N.
bool IsLetter(char32_t code_point);
bool IsDecimal(char32_t code_point);
bool IsNumeric(char32_t code_point);
/// Python's str.isprintable for one character.
bool IsPrintable(char32_t code_point);

/// Full Unicode case mappings, no locale. REQUIRES: valid UTF-8.
std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
std::string FoldCase(std::string_view text);
/// Of one character, as the first of a word.
std::string ToTitle(std::string_view character);

}  // namespace baton::text
