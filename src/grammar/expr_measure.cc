#include "expr_measure.h"

#include <algorithm>

namespace baton::grammar {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;

int64_t Times(int64_t a, int64_t n) { return a == 0 || n == 0 ? 0 : a > kMost / n ? kMost : a * n; }

}  // namespace

CharacterCount CountCharacters(const Expr& expr) {
  CharacterCount sum;
  switch (expr.kind) {
    case Expr::Kind::kLiteral: return {CharactersOf(expr.text), CharactersOf(expr.text)};
    case Expr::Kind::kClass: return {1, 1};
    case Expr::Kind::kReference: return {0, kMost};
    case Expr::Kind::kRepeat: {
      const CharacterCount part = CountCharacters(*expr.parts[0]);
      return {Times(part.least, expr.min),
              Times(part.most, expr.max == kUnbounded ? kMost : expr.max)};
    }
    case Expr::Kind::kSequence:
      for (const ExprPtr& part : expr.parts) {
        const CharacterCount one = CountCharacters(*part);
        sum = {std::min(sum.least + one.least, kMost), std::min(sum.most + one.most, kMost)};
      }
      return sum;
    case Expr::Kind::kChoice:
      sum.least = expr.parts.empty() ? 0 : kMost;
      for (const ExprPtr& part : expr.parts) {
        const CharacterCount one = CountCharacters(*part);
        sum = {std::min(sum.least, one.least), std::max(sum.most, one.most)};
      }
      return sum;
  }
  return sum;
}

int64_t CharactersOf(std::string_view utf8) {
  return std::count_if(utf8.begin(), utf8.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace baton::grammar
