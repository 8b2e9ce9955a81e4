#include "regex_parser.h"

#include <algorithm>
#include <optional>
#include <string>

#include "baton/text/utf8.h"
#include "text_reader.h"

namespace baton::grammar {
namespace {

const CharClass& Digits() {
  static const CharClass chars{{U'0', U'9'}};
  return chars;
}

const CharClass& WordChars() {
  static const CharClass chars{{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}};
  return chars;
}

const CharClass& Spaces() {
  static const CharClass chars{
      {9, 13},          {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
      {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return chars;
}

const CharClass& LineEnds() {
  static const CharClass chars{{U'\n', U'\n'}, {U'\r', U'\r'}, {0x2028, 0x2029}};
  return chars;
}

class RegexParser {
 public:
  RegexParser(std::string_view pattern, const GrammarLimits& limits)
      : in_(pattern, "pattern"), limits_(limits) {}

  Result<Regex> Run() {
    Regex regex;
    BATON_RETURN_IF_ERROR(ParseAlternatives(regex));
    if (!in_.AtEnd()) return in_.Error("unmatched )");
    return regex;
  }

 private:
  using Alternative = Regex::Alternative;

  /// Up to ) or the end.
  Status ParseAlternatives(Regex& out) {
    do {
      BATON_RETURN_IF_ERROR(ParseAlternative(out));
    } while (in_.Take("|"));
    return OkStatus();
  }

  /// One alternative, or several where a group with anchors is all there is.
  Status ParseAlternative(Regex& out) {
    Alternative alternative;
    while (in_.Take("^")) alternative.from_start = true;
    std::vector<ExprPtr> parts;
    while (!in_.AtEnd() && in_.Peek() != '|' && in_.Peek() != ')') {
      if (in_.Take("$")) {
        alternative.to_end = true;
        continue;
      }
      if (alternative.to_end) return in_.Error("$ is supported at the end of an alternative only");
      if (in_.Peek() == '^') return in_.Error("^ is supported at the start of an alternative only");
      BATON_ASSIGN_OR_RETURN(Regex atom, ParseAtom());
      BATON_RETURN_IF_ERROR(ParseQuantifiers(atom));
      if (!HasAnchors(atom)) {
        parts.push_back(AsWholeMatch(atom));
        continue;
      }
      while (in_.Take("$")) alternative.to_end = true;
      const bool alone = parts.empty() && (in_.AtEnd() || in_.Peek() == '|' || in_.Peek() == ')');
      if (!alone) return in_.Error("anchors within a group are not supported");
      for (Alternative& inner : atom.alternatives) {
        inner.from_start |= alternative.from_start;
        inner.to_end |= alternative.to_end;
        out.alternatives.push_back(std::move(inner));
      }
      return OkStatus();
    }
    alternative.expr = Sequence(std::move(parts));
    out.alternatives.push_back(std::move(alternative));
    return OkStatus();
  }

  static bool HasAnchors(const Regex& regex) {
    return std::any_of(regex.alternatives.begin(), regex.alternatives.end(),
                       [](const Alternative& one) { return one.from_start || one.to_end; });
  }

  static Regex Plain(ExprPtr expr) { return {{{std::move(expr)}}}; }

  Result<Regex> ParseAtom() {
    const char c = in_.Peek();
    if (c == '(') return ParseGroup();
    if (c == '[') {
      BATON_ASSIGN_OR_RETURN(CharClass chars, ParseClass());
      return Plain(Chars(std::move(chars)));
    }
    if (in_.Take(".")) return Plain(Chars(LineEnds().Complement()));
    if (c == '*' || c == '+' || c == '?') return in_.Error("there is nothing to repeat");
    if (c == '\\') {
      BATON_ASSIGN_OR_RETURN(CharClass chars, ParseEscape(false));
      return Plain(Chars(std::move(chars)));
    }
    std::string text;
    text::AppendUtf8(in_.TakeChar(), text);
    return Plain(Literal(std::move(text)));
  }

  Result<Regex> ParseGroup() {
    const size_t begin = in_.at();
    if (++nesting_ > limits_.nesting) {
      return in_.Error("groups nest more than " + std::to_string(limits_.nesting) + " deep");
    }
    in_.Take("(");
    if (in_.StartsWith("?=") || in_.StartsWith("?!") || in_.StartsWith("?<=") ||
        in_.StartsWith("?<!")) {
      return in_.Error("looking ahead or behind is not supported");
    }
    if (in_.Take("?<") || in_.Take("?P<")) {
      while (!in_.AtEnd() && in_.Peek() != '>') in_.TakeChar();
      if (!in_.Take(">")) return in_.ErrorAt(begin, "the group's name does not end");
    } else if (!in_.Take("?:") && in_.Peek() == '?') {
      return in_.Error("this kind of group is not supported");
    }
    Regex regex;
    BATON_RETURN_IF_ERROR(ParseAlternatives(regex));
    if (!in_.Take(")")) return in_.ErrorAt(begin, "the group does not end");
    --nesting_;
    return regex;
  }

  Status ParseQuantifiers(Regex& atom) {
    const size_t begin = in_.at();
    int min = 0, max = kUnbounded;
    if (in_.Take("+")) {
      min = 1;
    } else if (in_.Take("?")) {
      max = 1;
    } else if (in_.Peek() == '{') {
      BATON_RETURN_IF_ERROR(ParseBounds(min, max));
    } else if (!in_.Take("*")) {
      return OkStatus();
    }
    if (HasAnchors(atom)) return in_.ErrorAt(begin, "anchors may not be repeated");
    // Laziness changes which match is found, not what matches.
    in_.Take("?");
    if (in_.Peek() == '*' || in_.Peek() == '+' || in_.Peek() == '?' || in_.Peek() == '{') {
      return in_.Error("a repetition of a repetition needs a group");
    }
    atom = Plain(Repeat(AsWholeMatch(atom), min, max));
    return OkStatus();
  }

  Status ParseBounds(int& min, int& max) {
    const size_t begin = in_.at();
    in_.Take("{");
    if (in_.Peek() != ',') {
      BATON_ASSIGN_OR_RETURN(min, in_.Number(limits_.repetitions));
    }
    max = min;
    if (in_.Take(",")) {
      max = kUnbounded;
      if (in_.Peek() != '}') {
        BATON_ASSIGN_OR_RETURN(max, in_.Number(limits_.repetitions));
      }
    }
    if (!in_.Take("}")) return in_.Error("expected }; a brace that is meant needs \\ before it");
    if (max != kUnbounded && max < min) return in_.ErrorAt(begin, "the bounds exclude each other");
    return OkStatus();
  }

  Result<CharClass> ParseClass() {
    const size_t begin = in_.at();
    in_.Take("[");
    const bool negated = in_.Take("^");
    CharClass chars;
    while (!in_.Take("]")) {
      if (in_.AtEnd()) return in_.ErrorAt(begin, "the class does not end");
      BATON_ASSIGN_OR_RETURN(const CharClass first, ParseClassPart());
      const bool range = in_.Peek() == '-' && in_.Peek(1) != ']' && in_.Peek(1) != '\0';
      if (!range) {
        chars.Add(first);
      } else {
        in_.Take("-");
        BATON_ASSIGN_OR_RETURN(const CharClass last, ParseClassPart());
        if (!IsOne(first) || !IsOne(last)) return in_.Error("a range between classes");
        const char32_t from = first.ranges()[0].first, to = last.ranges()[0].first;
        if (to < from) return in_.Error("the range is the wrong way round");
        chars.Add(from, to);
      }
      if (chars.ranges().size() > kMaxClassRanges) {
        return in_.ErrorAt(
            begin, "the class has more than " + std::to_string(kMaxClassRanges) + " ranges");
      }
    }
    return negated ? chars.Complement() : chars;
  }

  static bool IsOne(const CharClass& chars) {
    return chars.ranges().size() == 1 && chars.ranges()[0].first == chars.ranges()[0].last;
  }

  Result<CharClass> ParseClassPart() {
    if (in_.Peek() == '\\') return ParseEscape(true);
    if (in_.StartsWith("[:")) return in_.Error("POSIX classes are not supported");
    const char32_t c = in_.TakeChar();
    return CharClass{{c, c}};
  }

  /// REQUIRES: a backslash comes next.
  Result<CharClass> ParseEscape(bool in_class) {
    in_.Take("\\");
    if (in_.AtEnd()) return in_.Error("there is nothing after the backslash");
    const size_t begin = in_.at();
    const char32_t c = in_.TakeChar();
    switch (c) {
      case U'd': return Digits();
      case U'D': return Digits().Complement();
      case U'w': return WordChars();
      case U'W': return WordChars().Complement();
      case U's': return Spaces();
      case U'S': return Spaces().Complement();
      case U'n': return CharClass{{U'\n', U'\n'}};
      case U'r': return CharClass{{U'\r', U'\r'}};
      case U't': return CharClass{{U'\t', U'\t'}};
      case U'f': return CharClass{{U'\f', U'\f'}};
      case U'v': return CharClass{{U'\v', U'\v'}};
      case U'x': return OneFromHex(2);
      case U'u': return ParseUnicodeEscape();
      case U'b':
      case U'B':
        if (in_class && c == U'b') return CharClass{{U'\b', U'\b'}};
        return in_.ErrorAt(begin, "word boundaries are not supported");
      case U'p':
      case U'P': return in_.ErrorAt(begin, "Unicode properties are not supported");
      default: break;
    }
    if (c == U'0' && !(in_.Peek() >= '0' && in_.Peek() <= '9')) return CharClass{{0, 0}};
    const bool letter = (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
    if (c >= U'0' && c <= U'9') return in_.ErrorAt(begin, "back-references are not supported");
    if (letter || c >= 0x80) return in_.ErrorAt(begin, "unknown escape");
    return CharClass{{c, c}};
  }

  Result<CharClass> OneFromHex(int digits) {
    BATON_ASSIGN_OR_RETURN(const char32_t c, in_.HexChar(digits));
    return CharClass{{c, c}};
  }

  /// \uHHHH, \u{H...}, or two halves of a pair.
  Result<CharClass> ParseUnicodeEscape() {
    if (in_.Take("{")) {
      const size_t end = in_.Rest().find('}');
      if (end == 0 || end > 6) return in_.Error("expected up to six hexadecimal digits and }");
      BATON_ASSIGN_OR_RETURN(const CharClass one, OneFromHex(static_cast<int>(end)));
      in_.Take("}");
      return one;
    }
    return OneFromHex(4);
  }

  static constexpr size_t kMaxClassRanges = 2000;

  TextReader in_;
  const GrammarLimits& limits_;
  int nesting_ = 0;
};

}  // namespace

Result<Regex> ParseRegex(std::string_view pattern, const GrammarLimits& limits) {
  if (pattern.size() > limits.text_bytes) {
    return InvalidArgument("the pattern has " + std::to_string(pattern.size()) +
                           " bytes, more than the limit of " + std::to_string(limits.text_bytes));
  }
  if (!text::IsValidUtf8(pattern)) return InvalidArgument("the pattern is not valid UTF-8");
  return RegexParser(pattern, limits).Run();
}

ExprPtr AsWholeMatch(const Regex& regex) {
  std::vector<ExprPtr> alternatives;
  for (const Regex::Alternative& one : regex.alternatives) alternatives.push_back(one.expr);
  return Choice(std::move(alternatives));
}

}  // namespace baton::grammar
