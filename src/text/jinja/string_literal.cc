#include "string_literal.h"

#include <charconv>
#include <optional>

#include "baton/text/utf8.h"

namespace baton::text::jinja {
namespace {

/// The code point of exactly `digits` hexadecimal digits.
std::optional<char32_t> HexCodePoint(std::string_view text, size_t digits) {
  uint32_t number = 0;
  if (text.size() < digits) return std::nullopt;
  const auto end = std::from_chars(text.data(), text.data() + digits, number, 16);
  if (end.ptr != text.data() + digits || number > 0x10FFFF) return std::nullopt;
  return number >= 0xD800 && number < 0xE000 ? 0xFFFD : number;
}

}  // namespace

std::optional<std::string> Unescape(std::string_view literal) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  std::string out;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      out += literal[i];
      continue;
    }
    const char c = literal[++i];
    if (const size_t at = kLetters.find(c); at != std::string_view::npos) {
      out += kMeanings[at];
    } else if (c == '\n') {
      continue;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      const auto code_point = HexCodePoint(literal.substr(i + 1), digits);
      if (code_point) {
        AppendUtf8(*code_point, out);
        i += digits;
      } else {
        return std::nullopt;
      }
    } else if (c == 'N') {
      return std::nullopt;
    } else if (c >= '0' && c <= '7') {
      char32_t code_point = 0;
      size_t n = 0;
      while (n < 3 && i + n < literal.size() && literal[i + n] >= '0' && literal[i + n] <= '7') {
        code_point = code_point * 8 + static_cast<char32_t>(literal[i + n++] - '0');
      }
      AppendUtf8(code_point, out);
      i += n - 1;
    } else {
      out += std::string("\\") + c;
    }
  }
  return out;
}

}  // namespace baton::text::jinja
