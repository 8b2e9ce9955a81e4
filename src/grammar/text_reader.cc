#include "text_reader.h"

#include <algorithm>

namespace baton::grammar {

Status TextReader::ErrorAt(size_t at, const std::string& what) const {
  const std::string_view before = text_.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n') + 1;
  return InvalidArgument(std::string(what_) + ", line " + std::to_string(line) + ", column " +
                         std::to_string(at - line_start + 1) + ": " + what);
}

Result<int> TextReader::Number(int limit) {
  const size_t begin = at_;
  int64_t value = 0;
  for (; Peek() >= '0' && Peek() <= '9'; ++at_) {
    value = value * 10 + (Peek() - '0');
    if (value > limit) {
      return ErrorAt(begin, "the number is greater than the limit of " + std::to_string(limit));
    }
  }
  if (at_ == begin) return Error("expected a number");
  return static_cast<int>(value);
}

Result<char32_t> TextReader::HexChar(int digits) {
  uint32_t value = 0;
  for (int i = 0; i < digits; ++i, ++at_) {
    const char c = Peek();
    const bool decimal = c >= '0' && c <= '9';
    const char letter = static_cast<char>(c | 0x20);
    if (!decimal && (letter < 'a' || letter > 'f')) {
      return Error("expected " + std::to_string(digits) + " hexadecimal digits");
    }
    value = value * 16 + static_cast<uint32_t>(decimal ? c - '0' : letter - 'a' + 10);
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    return Error("the escape names no character");
  }
  return static_cast<char32_t>(value);
}

}  // namespace baton::grammar
