#include "json_rules.h"

#include <cstdio>
#include <optional>

#include "baton/text/utf8.h"

namespace baton::grammar {
namespace {

const CharClass& Hex() {
  static const CharClass chars{{U'0', U'9'}, {U'A', U'F'}, {U'a', U'f'}};
  return chars;
}

CharClass Either(std::u32string_view of) {
  CharClass chars;
  for (const char32_t c : of) chars.Add(c, c);
  return chars;
}

/// What a string cannot hold as it stands.
const CharClass& MustEscape() {
  static const CharClass chars{{0, 0x1F}, {U'"', U'"'}, {U'\\', U'\\'}};
  return chars;
}

/// \uHHHH, and for characters beyond 16 bits a pair of them.
ExprPtr UnicodeEscape() {
  const ExprPtr hex = Chars(Hex());
  const ExprPtr d = Chars(Either(U"Dd"));
  const ExprPtr lead = Chars(Hex().Minus(Either(U"Dd")));
  const ExprPtr low = Chars({{U'0', U'7'}});
  const ExprPtr high_half = Chars(Either(U"89ABab"));
  const ExprPtr low_half = Chars({{U'C', U'F'}, {U'c', U'f'}});
  return Sequence(
      {Literal("u"),
       Choice({Sequence({lead, hex, hex, hex}), Sequence({d, low, hex, hex}),
               Sequence({d, high_half, hex, hex, Literal("\\u"), d, low_half, hex, hex})})});
}

std::string EscapeOf(char32_t c) {
  static constexpr std::string_view kPlain = "\"\\\b\f\n\r\t", kShort = "\"\\bfnrt";
  const size_t known = c < 0x80 ? kPlain.find(static_cast<char>(c)) : std::string_view::npos;
  if (known != std::string_view::npos) return {'\\', kShort[known]};
  char code[8];
  std::snprintf(code, sizeof(code), "\\u%04x", static_cast<unsigned>(c));
  return code;
}

ExprPtr ClassWithinString(const CharClass& chars) {
  std::vector<ExprPtr> ways;
  CharClass plain = chars.Minus(MustEscape());
  if (!plain.empty()) ways.push_back(Chars(std::move(plain)));
  for (const CharClass::Range& range : MustEscape().ranges()) {
    for (char32_t c = range.first; c <= range.last; ++c) {
      if (chars.Contains(c)) ways.push_back(Literal(EscapeOf(c)));
    }
  }
  return Choice(std::move(ways));
}

}  // namespace

ExprPtr Space() { return Reference(kJsonSpace); }
ExprPtr Comma() { return Sequence({Literal(","), Space()}); }

ExprPtr Enclosed(std::string open, ExprPtr inside, std::string close) {
  return Sequence(
      {Literal(std::move(open)), Space(), std::move(inside), Literal(std::move(close))});
}

void AddJsonRules(int whitespace, Rules& rules) {
  const ExprPtr value = Sequence({Reference(kJsonValue), Space()});
  const ExprPtr member = Sequence({Reference(kJsonString), Space(), Literal(":"), Space(), value});
  const auto list = [](const ExprPtr& one) {
    return Optional(Sequence({one, Repeat(Sequence({Comma(), one}), 0, kUnbounded)}));
  };
  const ExprPtr digit = Chars({{U'0', U'9'}});
  const auto whole = [&](int digits) {
    return Sequence(
        {Optional(Literal("-")),
         Choice({Literal("0"), Sequence({Chars({{U'1', U'9'}}), Repeat(digit, 0, digits - 1)})})});
  };
  rules.Add(kJsonValue,
            Choice({Reference(kJsonObject), Reference(kJsonArray), Reference(kJsonString),
                    Reference(kJsonNumber), Literal("true"), Literal("false"), Literal("null")}));
  rules.Add(kJsonObject, Enclosed("{", list(member), "}"));
  rules.Add(kJsonArray, Enclosed("[", list(value), "]"));
  rules.Add(kJsonString,
            Sequence({Literal("\""), Repeat(Reference(kJsonChar), 0, kUnbounded), Literal("\"")}));
  rules.Add(
      kJsonChar,
      Choice({Chars(MustEscape().Complement()),
              Sequence({Literal("\\"), Choice({Chars(Either(U"\"\\/bfnrt")), UnicodeEscape()})})}));
  rules.Add(kJsonNumber,
            Sequence({whole(16), Optional(Sequence({Literal("."), Repeat(digit, 1, 16)})),
                      Optional(Sequence({Chars(Either(U"eE")), Optional(Chars(Either(U"+-"))),
                                         Repeat(digit, 1, 2)}))}));
  rules.Add(kJsonInteger, whole(18));
  rules.Add(kJsonSpace,
            whitespace > 0 ? Repeat(Chars(Either(U" \t\n\r")), 0, whitespace) : Sequence({}));
}

ExprPtr WithinJsonString(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kClass: return ClassWithinString(expr.chars);
    case Expr::Kind::kLiteral: {
      const std::string quoted = JsonQuoted(expr.text);
      return Literal(quoted.substr(1, quoted.size() - 2));
    }
    default: break;
  }
  Expr out = expr;
  for (ExprPtr& part : out.parts) part = WithinJsonString(*part);
  return std::make_shared<const Expr>(std::move(out));
}

std::string JsonQuoted(std::string_view utf8) {
  std::string out = "\"";
  while (!utf8.empty()) {
    const text::Utf8Step step = text::NextUtf8(utf8);
    out += MustEscape().Contains(step.code_point) ? EscapeOf(step.code_point)
                                                  : std::string(utf8.substr(0, step.bytes));
    utf8.remove_prefix(step.bytes);
  }
  return out + "\"";
}

}  // namespace baton::grammar
