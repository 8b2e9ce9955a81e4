#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "baton/base/status.h"
#include "baton/text/utf8.h"

namespace baton::grammar {

/// Reads a pattern or a grammar from left to right; its errors say where.
/// REQUIRES: valid UTF-8, which outlives it.
class TextReader {
 public:
  /// `what` is what errors call the text, e.g. "grammar".
  TextReader(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  bool AtEnd() const { return at_ == text_.size(); }
  size_t at() const { return at_; }
  void MoveTo(size_t at) { at_ = at; }
  std::string_view Rest() const { return text_.substr(at_); }
  std::string_view Since(size_t begin) const { return text_.substr(begin, at_ - begin); }

  /// The next byte, 0 at the end.
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool StartsWith(std::string_view prefix) const { return Rest().starts_with(prefix); }
  /// Takes `prefix` if it comes next.
  bool Take(std::string_view prefix) {
    if (!StartsWith(prefix)) return false;
    at_ += prefix.size();
    return true;
  }
  /// REQUIRES: not at the end.
  char32_t TakeChar() {
    const text::Utf8Step step = text::NextUtf8(Rest());
    at_ += step.bytes;
    return step.code_point;
  }

  /// "grammar, line 3, column 5: `what`".
  Status Error(const std::string& what) const { return ErrorAt(at_, what); }
  Status ErrorAt(size_t at, const std::string& what) const;

  /// A decimal number up to `limit`. *Fails with* InvalidArgument, also where there is no digit.
  Result<int> Number(int limit);
  /// `digits` hexadecimal digits as a character. *Fails with* InvalidArgument for fewer, and for
  /// what is no character.
  Result<char32_t> HexChar(int digits);

 private:
  std::string_view text_;
  std::string_view what_;
  size_t at_ = 0;
};

}  // namespace baton::grammar
