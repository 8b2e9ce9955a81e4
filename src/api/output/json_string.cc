#include "json_string.h"

#include <string_view>
#include <utility>

#include "baton/text/utf8.h"

namespace baton::api {

namespace {

constexpr size_t kUnicodeEscapeBytes = 6;

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

uint32_t HexValue(std::string_view digits) {
  uint32_t value = 0;
  for (const char c : digits)
    value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  return value;
}

/// What a one-letter escape stands for; 0 for none.
char Unescaped(char c) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const size_t at = kLetters.find(c);
  return at == std::string_view::npos ? '\0' : kMeanings[at];
}

}  // namespace

bool JsonString::Push(char c, std::string& out) {
  if (escape_.size() == 1) {
    if (c == 'u') {
      escape_ += c;
    } else {
      Letter(c, out);
    }
    return true;
  }
  if (!escape_.empty()) {
    if (IsHexDigit(c)) {
      escape_ += c;
      if (escape_.size() == kUnicodeEscapeBytes)
        CodeUnit(HexValue(std::string_view(std::exchange(escape_, {})).substr(2)), out);
      return true;
    }
    Finish(out);
  }
  if (c == '\\') {
    escape_ = c;
    return true;
  }
  DropSurrogate(out);
  if (c == '"') return false;
  out += c;
  return true;
}

/// The byte behind a backslash.
void JsonString::Letter(char c, std::string& out) {
  DropSurrogate(out);
  escape_.clear();
  const char meant = Unescaped(c);
  if (meant == '\0') out += '\\';
  out += meant == '\0' ? c : meant;
}

void JsonString::CodeUnit(uint32_t unit, std::string& out) {
  const bool low = unit >= 0xDC00 && unit < 0xE000;
  if (low && high_ != 0) {
    text::AppendUtf8(
        static_cast<char32_t>(0x10000 + ((std::exchange(high_, 0) - 0xD800) << 10) + unit - 0xDC00),
        out);
    return;
  }
  DropSurrogate(out);
  if (unit >= 0xD800 && unit < 0xDC00) {
    high_ = unit;
  } else if (low) {
    out += text::kReplacementCharacter;
  } else {
    text::AppendUtf8(static_cast<char32_t>(unit), out);
  }
}

void JsonString::DropSurrogate(std::string& out) {
  if (std::exchange(high_, 0) != 0) out += text::kReplacementCharacter;
}

void JsonString::Finish(std::string& out) {
  DropSurrogate(out);
  out += std::exchange(escape_, {});
}

}  // namespace baton::api
