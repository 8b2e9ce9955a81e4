#include "ebnf_parser.h"

#include <vector>

#include "baton/text/utf8.h"
#include "regex_parser.h"
#include "text_reader.h"

namespace baton::grammar {
namespace {

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

/// Recursive descent: rule, choice, sequence, repetition, atom.
class EbnfParser {
 public:
  EbnfParser(std::string_view text, const GrammarLimits& limits)
      : in_(text, "grammar"), limits_(limits) {}

  Result<Rules> Run() {
    SkipSpace();
    while (!in_.AtEnd()) BATON_RETURN_IF_ERROR(ParseRule());
    if (rules_.order.empty()) return InvalidArgument("grammar: there are no rules");
    for (const auto& [name, at] : references_) {
      if (!rules_.by_name.contains(name)) return in_.ErrorAt(at, "there is no rule '" + name + "'");
    }
    for (const std::string_view root : {"root", "start"}) {
      if (!rules_.by_name.contains(root)) continue;
      rules_.root = root;
      return std::move(rules_);
    }
    return InvalidArgument("grammar: there is neither a rule 'root' nor a rule 'start'");
  }

 private:
  void SkipSpace() {
    while (!in_.AtEnd()) {
      const char c = in_.Peek();
      if (c == '#' || in_.StartsWith("//")) {
        while (!in_.AtEnd() && in_.Peek() != '\n') in_.MoveTo(in_.at() + 1);
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        in_.MoveTo(in_.at() + 1);
      } else {
        return;
      }
    }
  }

  std::string TakeName() {
    const size_t begin = in_.at();
    while (IsNameChar(in_.Peek())) in_.MoveTo(in_.at() + 1);
    return std::string(in_.Since(begin));
  }

  /// Takes what stands between a rule's name and its right-hand side, if it comes next.
  bool TakeDefines() {
    SkipSpace();
    if (!in_.Take("::=") && !in_.Take(":")) return false;
    SkipSpace();
    return true;
  }

  /// Whether a new rule begins here.
  bool AtRule() {
    const size_t begin = in_.at();
    if (in_.Peek() == '?' || in_.Peek() == '!') in_.MoveTo(begin + 1);
    const bool rule = !TakeName().empty() && TakeDefines();
    in_.MoveTo(begin);
    return rule;
  }

  Status ParseRule() {
    if (in_.Peek() == '%') return in_.Error("directives of Lark (%...) are not supported");
    // Lark's marks for the shape of its trees, which say nothing of the language.
    if (!in_.Take("?")) in_.Take("!");
    const size_t begin = in_.at();
    const std::string name = TakeName();
    if (name.empty()) return in_.Error("expected the name of a rule");
    if (!TakeDefines()) return in_.Error("expected ::= after the name of a rule");
    if (rules_.by_name.contains(name)) {
      return in_.ErrorAt(begin, "the rule '" + name + "' is defined twice");
    }
    if (rules_.order.size() == limits_.rules) {
      return in_.ErrorAt(begin, "more than " + std::to_string(limits_.rules) + " rules");
    }
    // Lark and others begin each alternative's line with a bar.
    if (in_.Take("|")) SkipSpace();
    BATON_ASSIGN_OR_RETURN(ExprPtr expr, ParseChoice());
    rules_.Add(name, std::move(expr));
    if (!in_.AtEnd() && !AtRule() && in_.Peek() != '%') {
      return in_.Error("expected a literal, a class, a name, a group, or the next rule");
    }
    return OkStatus();
  }

  Result<ExprPtr> ParseChoice() {
    std::vector<ExprPtr> alternatives;
    do {
      SkipSpace();
      BATON_ASSIGN_OR_RETURN(ExprPtr sequence, ParseSequence());
      alternatives.push_back(std::move(sequence));
    } while (in_.Take("|"));
    return Choice(std::move(alternatives));
  }

  Result<ExprPtr> ParseSequence() {
    std::vector<ExprPtr> parts;
    while (true) {
      SkipSpace();
      BATON_ASSIGN_OR_RETURN(ExprPtr atom, ParseAtom());
      if (atom == nullptr) return Sequence(std::move(parts));
      BATON_ASSIGN_OR_RETURN(atom, ParseRepetitions(std::move(atom)));
      parts.push_back(std::move(atom));
    }
  }

  /// Null where the sequence ends.
  Result<ExprPtr> ParseAtom() {
    const char c = in_.Peek();
    if (c == '"' || c == '\'') return ParseLiteral();
    if (c == '[') return ParseClass();
    if (c == '.') {
      in_.Take(".");
      return Chars(CharClass::All());
    }
    if (c == '(') return ParseGroup();
    if (c == '/') return ParseRegexLiteral();
    if (!IsNameChar(c) || AtRule()) return ExprPtr();
    const size_t begin = in_.at();
    std::string name = TakeName();
    references_.emplace(name, begin);
    return Reference(std::move(name));
  }

  Result<ExprPtr> ParseGroup() {
    if (++nesting_ > limits_.nesting) {
      return in_.Error("groups nest more than " + std::to_string(limits_.nesting) + " deep");
    }
    in_.Take("(");
    BATON_ASSIGN_OR_RETURN(ExprPtr group, ParseChoice());
    if (!in_.Take(")")) return in_.Error("expected ) or |");
    --nesting_;
    return group;
  }

  Result<ExprPtr> ParseLiteral() {
    const size_t begin = in_.at();
    const char32_t quote = in_.TakeChar();
    std::vector<char32_t> chars;
    while (true) {
      if (in_.AtEnd() || in_.Peek() == '\n') {
        return in_.ErrorAt(begin, "the literal does not end on its line");
      }
      if (in_.Peek() == static_cast<char>(quote)) break;
      BATON_ASSIGN_OR_RETURN(const char32_t c, ParseChar());
      chars.push_back(c);
    }
    in_.TakeChar();
    if (in_.Peek() == 'i' && !IsNameChar(in_.Peek(1))) {
      in_.Take("i");
      return IgnoringCase(chars);
    }
    std::string text;
    for (const char32_t c : chars) text::AppendUtf8(c, text);
    return Literal(std::move(text));
  }

  static ExprPtr IgnoringCase(const std::vector<char32_t>& chars) {
    std::vector<ExprPtr> parts;
    for (const char32_t c : chars) {
      CharClass both{{c, c}};
      const char32_t lower = c | 0x20;
      if (lower >= U'a' && lower <= U'z') both = {{lower, lower}, {c & ~0x20u, c & ~0x20u}};
      parts.push_back(Chars(std::move(both)));
    }
    return Sequence(std::move(parts));
  }

  Result<ExprPtr> ParseClass() {
    const size_t begin = in_.at();
    in_.Take("[");
    const bool negated = in_.Take("^");
    CharClass chars;
    while (!in_.Take("]")) {
      if (in_.AtEnd() || in_.Peek() == '\n') {
        return in_.ErrorAt(begin, "the class does not end on its line");
      }
      BATON_ASSIGN_OR_RETURN(const char32_t first, ParseChar());
      char32_t last = first;
      if (in_.Peek() == '-' && in_.Peek(1) != ']') {
        in_.Take("-");
        if (in_.AtEnd()) continue;
        BATON_ASSIGN_OR_RETURN(last, ParseChar());
      }
      if (last < first) return in_.Error("the range is the wrong way round");
      chars.Add(first, last);
      if (chars.ranges().size() > kMaxClassRanges) {
        return in_.ErrorAt(
            begin, "the class has more than " + std::to_string(kMaxClassRanges) + " ranges");
      }
    }
    return Chars(negated ? chars.Complement() : std::move(chars));
  }

  /// A character as it stands or escaped. REQUIRES: not at the end.
  Result<char32_t> ParseChar() {
    if (!in_.Take("\\")) return in_.TakeChar();
    const char c = in_.Peek();
    static constexpr std::string_view kEscaped = "nrtfv0", kMeaning("\n\r\t\f\v\0", 6);
    if (in_.Take("x")) return in_.HexChar(2);
    if (in_.Take("u")) return in_.HexChar(4);
    if (in_.Take("U")) return in_.HexChar(8);
    if (const size_t known = kEscaped.find(c); c != '\0' && known != std::string_view::npos) {
      in_.TakeChar();
      return static_cast<char32_t>(kMeaning[known]);
    }
    if (c > ' ' && c < 0x7F && !(IsNameChar(c) && c != '-' && c != '_')) return in_.TakeChar();
    return in_.Error("unknown escape");
  }

  Result<ExprPtr> ParseRegexLiteral() {
    const size_t begin = in_.at() + 1;
    for (in_.Take("/"); in_.Peek() != '/'; in_.TakeChar()) {
      if (in_.Peek() == '\\') in_.TakeChar();
      if (in_.AtEnd() || in_.Peek() == '\n') {
        return in_.ErrorAt(begin, "the regular expression does not end on its line");
      }
    }
    const std::string_view pattern = in_.Since(begin);
    in_.Take("/");
    if (in_.Peek() >= 'a' && in_.Peek() <= 'z') {
      return in_.Error("flags of regular expressions are not supported");
    }
    const auto parsed = ParseRegex(pattern, limits_);
    if (!parsed.ok()) return in_.ErrorAt(begin, parsed.status().message());
    return AsWholeMatch(*parsed);
  }

  Result<ExprPtr> ParseRepetitions(ExprPtr atom) {
    for (int count = 0;; ++count) {
      // Each is a level of the tree.
      if (count > kMaxStackedRepetitions) return in_.Error("too many repetitions of one thing");
      if (in_.Take("*")) {
        atom = Repeat(std::move(atom), 0, kUnbounded);
      } else if (in_.Take("+")) {
        atom = Repeat(std::move(atom), 1, kUnbounded);
      } else if (in_.Peek() == '?' && !AtRule()) {
        in_.Take("?");
        atom = Repeat(std::move(atom), 0, 1);
      } else if (in_.Peek() == '{') {
        BATON_ASSIGN_OR_RETURN(atom, ParseBounds(std::move(atom)));
      } else {
        return atom;
      }
    }
  }

  Result<ExprPtr> ParseBounds(ExprPtr atom) {
    const size_t begin = in_.at();
    in_.Take("{");
    SkipSpace();
    int min = 0;
    if (in_.Peek() != ',') {
      BATON_ASSIGN_OR_RETURN(min, in_.Number(limits_.repetitions));
    }
    int max = min;
    SkipSpace();
    if (in_.Take(",")) {
      max = kUnbounded;
      SkipSpace();
      if (in_.Peek() != '}') {
        BATON_ASSIGN_OR_RETURN(max, in_.Number(limits_.repetitions));
      }
    }
    SkipSpace();
    if (!in_.Take("}")) return in_.Error("expected }");
    if (max != kUnbounded && max < min) return in_.ErrorAt(begin, "the bounds exclude each other");
    return Repeat(std::move(atom), min, max);
  }

  static constexpr int kMaxStackedRepetitions = 4;
  static constexpr size_t kMaxClassRanges = 2000;

  TextReader in_;
  const GrammarLimits& limits_;
  Rules rules_;
  /// Where each rule is first referred to.
  std::map<std::string, size_t> references_;
  int nesting_ = 0;
};

}  // namespace

Result<Rules> ParseEbnf(std::string_view text, const GrammarLimits& limits) {
  if (text.size() > limits.text_bytes) {
    return InvalidArgument("the grammar has " + std::to_string(text.size()) +
                           " bytes, more than the limit of " + std::to_string(limits.text_bytes));
  }
  if (!text::IsValidUtf8(text)) return InvalidArgument("the grammar is not valid UTF-8");
  return EbnfParser(text, limits).Run();
}

}  // namespace baton::grammar
