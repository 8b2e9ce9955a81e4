#include "lexer.h"

#include <algorithm>
#include <array>

#include "../unicode.h"
#include "baton/text/utf8.h"
#include "string_literal.h"

namespace baton::text::jinja {
namespace {

using Kind = Token::Kind;

/// Line ends become "\n", and one at the end of the template is dropped.
std::string NormalizeLines(const std::string& source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool BeginsName(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(const std::string& source) : source_(NormalizeLines(source)) {}

  std::vector<Token> Run() {
    while (at_ < source_.size()) Data();
    Add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw SyntaxError(what, position_); }

  std::string_view Rest() const { return std::string_view(source_).substr(at_); }

  void Advance(size_t bytes) {
    for (; bytes > 0; --bytes, ++at_) {
      if (source_[at_] == '\n') {
        ++position_.line;
        position_.column = 1;
      } else {
        ++position_.column;
      }
    }
  }

  void Add(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), position_}); }

  void SkipSpace() {
    while (at_ < source_.size()) {
      const Utf8Step step = NextUtf8(Rest());
      if (!IsSpace(step.code_point) || step.kind != Utf8Step::Kind::kCharacter) return;
      Advance(step.bytes);
    }
  }

  /// Text up to the next tag, and the tag.
  void Data() {
    size_t tag = at_;
    static constexpr std::string_view kSecond = "%{#";
    do {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        tag = source_.size();
        break;
      }
    } while (kSecond.find(source_[tag + 1]) == std::string_view::npos && ++tag);
    std::string text = source_.substr(at_, tag - at_);
    if (tag == source_.size()) {
      if (!text.empty()) Add(Kind::kText, std::move(text));
      Advance(source_.size() - at_);
      return;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    CutBefore(text, kind, sign);
    if (!text.empty()) Add(Kind::kText, std::move(text));
    Advance(tag - at_);
    if (kind == '#') return Comment();
    if (kind == '%' && Raw()) return;
    Add(kind == '%' ? Kind::kBlockBegin : Kind::kVariableBegin, "");
    Advance(sign == '-' || sign == '+' ? 3 : 2);
    Expression(kind == '%' ? "%}" : "}}");
  }

  /// What stands before a tag loses the white space that the sign or lstrip_blocks takes.
  void CutBefore(std::string& text, char kind, char sign) const {
    if (sign == '-') {
      TrimRight(text);
    } else if (sign != '+' && kind != '{') {
      const size_t line = text.rfind('\n') + 1;
      if (line == 0 && !line_starting_) return;
      std::string head = text.substr(line);
      TrimRight(head);
      if (head.empty()) text.resize(line);
    }
  }

  static void TrimRight(std::string& text) {
    while (!text.empty()) {
      size_t begin = text.size() - 1;
      while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
      if (!IsSpace(NextUtf8(std::string_view(text).substr(begin)).code_point)) return;
      text.resize(begin);
    }
  }

  /// At the end of a tag: takes "-%}", "+%}" or "%}" and the white space that goes with it.
  bool TagEnd(std::string_view end) {
    const std::string_view rest = Rest();
    const size_t before = at_;
    if (rest.starts_with("-" + std::string(end))) {
      Advance(3);
      SkipSpace();
    } else if (rest.starts_with("+" + std::string(end)) && end != "}}") {
      Advance(3);
    } else if (rest.starts_with(end)) {
      Advance(2);
      if (end != "}}" && Rest().starts_with('\n')) Advance(1);
    } else {
      return false;
    }
    line_starting_ = at_ > before && source_[at_ - 1] == '\n';
    return true;
  }

  void Comment() {
    const size_t end = source_.find("#}", at_ + 2);
    if (end == std::string::npos) Fail("missing end of comment tag");
    const char sign = end > at_ + 2 ? source_[end - 1] : '\0';
    Advance(end - at_ - (sign == '-' || sign == '+' ? 1 : 0));
    TagEnd("#}");
  }

  /// {% raw %} ... {% endraw %}: text, whatever it holds. False when no such block begins here.
  bool Raw() {
    size_t open = 0;
    if (!NamedTag(at_, "raw", &open)) return false;
    const bool cut = source_[open - 3] == '-';
    Advance(open - at_);
    if (cut) SkipSpace();
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 2)) {
      size_t close = 0;
      if (!NamedTag(tag, "endraw", &close)) continue;
      std::string text = source_.substr(at_, tag - at_);
      line_starting_ = false;
      CutBefore(text, '%', source_[tag + 2]);
      if (!text.empty()) Add(Kind::kText, std::move(text));
      const bool signed_end = source_[close - 3] == '-' || source_[close - 3] == '+';
      Advance(close - at_ - (signed_end ? 3 : 2));
      TagEnd("%}");
      return true;
    }
    Fail("missing end of raw directive");
  }

  /// Whether "{%- name -%}" is at `begin`; `end` is just past it.
  bool NamedTag(size_t begin, std::string_view name, size_t* end) const {
    size_t at = begin + 2;
    const auto skip = [&](std::string_view any) {
      while (at < source_.size() && any.find(source_[at]) != std::string_view::npos) ++at;
    };
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
    skip(" \t\n");
    if (source_.compare(at, name.size(), name) != 0) return false;
    at += name.size();
    skip(" \t\n");
    const bool plus = name == "endraw" && at < source_.size() && source_[at] == '+';
    if (at < source_.size() && (source_[at] == '-' || plus)) ++at;
    if (source_.compare(at, 2, "%}") != 0) return false;
    *end = at + 2;
    return true;
  }

  void Expression(std::string_view end) {
    const Position begin = position_;
    std::string brackets;
    while (true) {
      SkipSpace();
      if (at_ >= source_.size()) throw SyntaxError("the tag that begins here has no end", begin);
      const Position here = position_;
      if (brackets.empty() && TagEnd(end)) {
        tokens_.push_back({end == "%}" ? Kind::kBlockEnd : Kind::kVariableEnd, "", here});
        return;
      }
      Word(brackets);
    }
  }

  void Word(std::string& brackets) {
    const char c = source_[at_];
    if (BeginsName(c)) {
      size_t n = 1;
      while (n < Rest().size() && (BeginsName(Rest()[n]) || IsDigit(Rest()[n]))) ++n;
      Add(Kind::kName, std::string(Rest().substr(0, n)));
      Advance(n);
    } else if (IsDigit(c)) {
      Number();
    } else if (c == '"' || c == '\'') {
      String(c);
    } else {
      Operator(brackets);
    }
  }

  void Number() {
    const std::string_view rest = Rest();
    const auto digits = [&](size_t n) {
      while (n < rest.size() && (IsDigit(rest[n]) || rest[n] == '_')) ++n;
      return n;
    };
    const auto whole = [&] {
      const char kind =
          rest.size() > 1 && rest[0] == '0' ? static_cast<char>(rest[1] | 0x20) : '\0';
      const std::string_view allowed = kind == 'x'   ? "0123456789abcdefABCDEF_"
                                       : kind == 'o' ? "01234567_"
                                       : kind == 'b' ? "01_"
                                                     : "";
      const size_t prefixed = allowed.empty() ? 2 : rest.find_first_not_of(allowed, 2);
      if (prefixed > 2) return std::min(prefixed, rest.size());
      return rest[0] == '0' ? std::min(rest.find_first_not_of("0_"), rest.size()) : digits(0);
    };
    size_t n = digits(0);
    bool is_float = false;
    if (n + 1 < rest.size() && rest[n] == '.' && IsDigit(rest[n + 1])) {
      n = digits(n + 1);
      is_float = true;
    }
    if (n + 1 < rest.size() && (rest[n] == 'e' || rest[n] == 'E')) {
      const size_t sign = rest[n + 1] == '+' || rest[n + 1] == '-' ? 2 : 1;
      if (n + sign < rest.size() && IsDigit(rest[n + sign])) {
        n = digits(n + sign);
        is_float = true;
      }
    }
    // An integer does not begin with a zero: 08 is 0 and 8.
    if (!is_float) n = whole();
    std::string text(rest.substr(0, n));
    std::erase(text, '_');
    Add(is_float ? Kind::kFloat : Kind::kInteger, std::move(text));
    Advance(n);
  }

  void String(char quote) {
    const std::string_view rest = Rest();
    size_t n = 1;
    while (n < rest.size() && rest[n] != quote) n += rest[n] == '\\' ? 2 : 1;
    if (n >= rest.size()) Fail("missing end of string");
    const auto text = Unescape(rest.substr(1, n - 1));
    if (!text) Fail("an escape sequence of the string is not valid or not supported");
    Add(Kind::kString, *text);
    Advance(n + 1);
  }

  void Operator(std::string& brackets) {
    static constexpr std::array<std::string_view, 25> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
    const auto found = std::find_if(kOperators.begin(), kOperators.end(),
                                    [&](std::string_view op) { return Rest().starts_with(op); });
    if (found == kOperators.end()) {
      Fail("unexpected character '" + std::string(Rest().substr(0, NextUtf8(Rest()).bytes)) + "'");
    }
    const char c = (*found)[0];
    if (c == '(' || c == '[' || c == '{') brackets += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (brackets.empty() || brackets.back() != c) Fail(std::string("unexpected '") + c + "'");
      brackets.pop_back();
    }
    Add(Kind::kOperator, std::string(*found));
    Advance(found->size());
  }

  const std::string source_;
  size_t at_ = 0;
  Position position_;
  /// Whether what came before ended a line, so that lstrip_blocks counts from here.
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> Tokenize(const std::string& source) { return Lexer(source).Run(); }

}  // namespace baton::text::jinja
