#include "expr.h"

#include <cstdio>

#include "baton/base/check.h"
#include "baton/text/utf8.h"

namespace baton::grammar {
namespace {

using Kind = Expr::Kind;

/// How tightly the surroundings bind: what binds less gets parentheses.
enum class Around { kChoice, kSequence, kRepeat };

ExprPtr Make(Expr expr) { return std::make_shared<const Expr>(std::move(expr)); }

void AppendEscaped(char32_t c, std::string_view special, std::string& out) {
  char code[16];
  if (c < 0x80 && special.find(static_cast<char>(c)) != std::string_view::npos) {
    out += '\\';
    out += static_cast<char>(c);
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else if (c < 0x20 || c == 0x7F) {
    std::snprintf(code, sizeof(code), "\\x%02X", static_cast<unsigned>(c));
    out += code;
  } else if (c < 0x7F) {
    out += static_cast<char>(c);
  } else if (c < 0x10000) {
    std::snprintf(code, sizeof(code), "\\u%04X", static_cast<unsigned>(c));
    out += code;
  } else {
    std::snprintf(code, sizeof(code), "\\U%08X", static_cast<unsigned>(c));
    out += code;
  }
}

void AppendRanges(const CharClass& chars, std::string& out) {
  for (const CharClass::Range& range : chars.ranges()) {
    AppendEscaped(range.first, "[]^-\\", out);
    if (range.first == range.last) continue;
    if (range.last > range.first + 1) out += '-';
    AppendEscaped(range.last, "[]^-\\", out);
  }
}

void AppendClass(const CharClass& chars, std::string& out) {
  const CharClass others = chars.Complement();
  if (others.empty()) {
    out += '.';
    return;
  }
  const bool negate =
      !chars.empty() && others.ranges().size() <= chars.ranges().size() && chars.Contains(0x10FFFF);
  out += negate ? "[^" : "[";
  AppendRanges(negate ? others : chars, out);
  out += ']';
}

void AppendBounds(const Expr& expr, std::string& out) {
  if (expr.min == 0 && expr.max == kUnbounded) {
    out += '*';
  } else if (expr.min == 1 && expr.max == kUnbounded) {
    out += '+';
  } else if (expr.min == 0 && expr.max == 1) {
    out += '?';
  } else {
    out += "{" + std::to_string(expr.min);
    if (expr.max != expr.min) out += ",";
    if (expr.max != expr.min && expr.max != kUnbounded) out += std::to_string(expr.max);
    out += '}';
  }
}

void Append(const Expr& expr, Around around, std::string& out) {
  const bool choice = expr.kind == Kind::kChoice && around != Around::kChoice;
  const bool group = choice || ((expr.kind == Kind::kSequence || expr.kind == Kind::kRepeat) &&
                                around == Around::kRepeat);
  if (group) out += '(';
  switch (expr.kind) {
    case Kind::kLiteral: out += QuotedLiteral(expr.text); break;
    case Kind::kClass: AppendClass(expr.chars, out); break;
    case Kind::kReference: out += expr.text; break;
    case Kind::kSequence:
      if (expr.parts.empty()) out += "\"\"";
      for (size_t i = 0; i < expr.parts.size(); ++i) {
        if (i > 0) out += ' ';
        Append(*expr.parts[i], Around::kSequence, out);
      }
      break;
    case Kind::kChoice:
      if (expr.parts.empty()) out += "[]";
      for (size_t i = 0; i < expr.parts.size(); ++i) {
        if (i > 0) out += " | ";
        Append(*expr.parts[i], Around::kSequence, out);
      }
      break;
    case Kind::kRepeat:
      Append(*expr.parts[0], Around::kRepeat, out);
      AppendBounds(expr, out);
      break;
  }
  if (group) out += ')';
}

}  // namespace

ExprPtr Literal(std::string utf8) {
  Expr expr;
  expr.kind = Kind::kLiteral;
  expr.text = std::move(utf8);
  return Make(std::move(expr));
}

ExprPtr Chars(CharClass chars) {
  Expr expr;
  expr.kind = Kind::kClass;
  expr.chars = std::move(chars);
  return Make(std::move(expr));
}

ExprPtr Reference(std::string rule) {
  Expr expr;
  expr.kind = Kind::kReference;
  expr.text = std::move(rule);
  return Make(std::move(expr));
}

ExprPtr Sequence(std::vector<ExprPtr> given) {
  std::vector<ExprPtr> parts;
  for (ExprPtr& part : given) {
    if (part->kind == Kind::kLiteral && part->text.empty()) continue;
    const bool literals =
        !parts.empty() && parts.back()->kind == Kind::kLiteral && part->kind == Kind::kLiteral;
    if (literals) {
      parts.back() = Literal(parts.back()->text + part->text);
    } else {
      parts.push_back(std::move(part));
    }
  }
  if (parts.size() == 1) return std::move(parts[0]);
  Expr expr;
  expr.kind = Kind::kSequence;
  expr.parts = std::move(parts);
  return Make(std::move(expr));
}

ExprPtr Choice(std::vector<ExprPtr> parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  Expr expr;
  expr.kind = Kind::kChoice;
  expr.parts = std::move(parts);
  return Make(std::move(expr));
}

ExprPtr Repeat(ExprPtr part, int min, int max) {
  Expr expr;
  expr.kind = Kind::kRepeat;
  expr.parts = {std::move(part)};
  expr.min = min;
  expr.max = max;
  return Make(std::move(expr));
}

ExprPtr Optional(ExprPtr part) { return Repeat(std::move(part), 0, 1); }

void Rules::Add(const std::string& name, ExprPtr expr) {
  const bool added = by_name.emplace(name, std::move(expr)).second;
  BATON_CHECK(added) << "a second rule " << name;
  order.push_back(name);
}

std::string QuotedLiteral(std::string_view utf8) {
  std::string out = "\"";
  while (!utf8.empty()) {
    const text::Utf8Step step = text::NextUtf8(utf8);
    AppendEscaped(step.code_point, "\"\\", out);
    utf8.remove_prefix(step.bytes);
  }
  return out + "\"";
}

std::string Print(const ExprPtr& expr) {
  std::string out;
  Append(*expr, Around::kChoice, out);
  return out;
}

std::string Print(const Rules& rules) {
  std::string out;
  for (const std::string& name : rules.order) {
    out += name + " ::= " + Print(rules.by_name.find(name)->second) + "\n";
  }
  return out;
}

}  // namespace baton::grammar
