#include "number_range.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace baton::grammar {
namespace {

constexpr int kMaxDigits = 15;
constexpr int64_t kMaxInteger = 999'999'999'999'999'999;
constexpr int64_t kMaxWhole = 999'999'999'999'999;

ExprPtr Digits(char first, char last) {
  return Chars({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
}
ExprPtr AnyDigits(size_t min, size_t max) {
  return Repeat(Digits('0', '9'), static_cast<int>(min), static_cast<int>(max));
}
ExprPtr Nothing() { return Choice({}); }
ExprPtr Empty() { return Sequence({}); }
std::string First(std::string_view digits) { return std::string(digits.substr(0, 1)); }

/// Digits above `digit`, then any; an impossible choice is left out by the caller.
void AddAbove(char digit, size_t rest_min, size_t rest_max, std::vector<ExprPtr>& ways) {
  if (digit == '9') return;
  ways.push_back(
      Sequence({Digits(static_cast<char>(digit + 1), '9'), AnyDigits(rest_min, rest_max)}));
}
void AddBelow(char digit, size_t rest_min, size_t rest_max, std::vector<ExprPtr>& ways) {
  if (digit == '0') return;
  ways.push_back(
      Sequence({Digits('0', static_cast<char>(digit - 1)), AnyDigits(rest_min, rest_max)}));
}

/// As many digits as `least`, and no less.
ExprPtr AtLeast(std::string_view least) {
  if (least.find_first_not_of('0') == std::string_view::npos) {
    return AnyDigits(least.size(), least.size());
  }
  std::vector<ExprPtr> ways = {Sequence({Literal(First(least)), AtLeast(least.substr(1))})};
  AddAbove(least[0], least.size() - 1, least.size() - 1, ways);
  return Choice(std::move(ways));
}

ExprPtr AtMost(std::string_view most) {
  if (most.find_first_not_of('9') == std::string_view::npos) {
    return AnyDigits(most.size(), most.size());
  }
  std::vector<ExprPtr> ways = {Sequence({Literal(First(most)), AtMost(most.substr(1))})};
  AddBelow(most[0], most.size() - 1, most.size() - 1, ways);
  return Choice(std::move(ways));
}

/// REQUIRES: as many digits in both, least <= most.
ExprPtr Between(std::string_view least, std::string_view most) {
  if (least.empty()) return Empty();
  if (least[0] == most[0]) {
    return Sequence({Literal(First(least)), Between(least.substr(1), most.substr(1))});
  }
  std::vector<ExprPtr> ways = {Sequence({Literal(First(least)), AtLeast(least.substr(1))}),
                               Sequence({Literal(First(most)), AtMost(most.substr(1))})};
  if (least[0] + 1 < most[0]) {
    ways.push_back(
        Sequence({Digits(static_cast<char>(least[0] + 1), static_cast<char>(most[0] - 1)),
                  AnyDigits(least.size() - 1, least.size() - 1)}));
  }
  return Choice(std::move(ways));
}

/// Integers from `least` to `most`, neither negative.
ExprPtr NaturalsIn(int64_t least, int64_t most) {
  std::vector<ExprPtr> ways;
  for (int64_t begin = 0, end = 9; least <= most; begin = end + 1, end = end * 10 + 9) {
    const int64_t from = std::max(least, begin), to = std::min(most, end);
    if (from <= to) ways.push_back(Between(std::to_string(from), std::to_string(to)));
    if (end >= most) break;
  }
  return Choice(std::move(ways));
}

ExprPtr Negative(ExprPtr magnitude) { return Sequence({Literal("-"), std::move(magnitude)}); }

/// The digits after a point, at most `most` and at least one, in a range; and whether there may be
/// no point at all.
struct Fractions {
  ExprPtr digits;
  bool none = false;

  /// What may follow the digits before the point.
  ExprPtr Tail() const {
    const ExprPtr tail = Sequence({Literal("."), digits});
    return none ? Optional(tail) : tail;
  }
  /// What may follow a digit after the point.
  ExprPtr More() const { return none ? Optional(digits) : digits; }
};

Fractions Above(std::string_view bound, bool exclusive, int most) {
  if (most == 0) return {Nothing(), bound.empty() && !exclusive};
  const size_t rest = static_cast<size_t>(most) - 1;
  if (bound.empty() && !exclusive) return {AnyDigits(1, rest + 1), true};
  if (bound.empty()) {
    const int half = static_cast<int>(rest / 2);
    return {Sequence({Repeat(Literal("0"), 0, half), Digits('1', '9'),
                      AnyDigits(0, static_cast<size_t>(half))}),
            false};
  }
  std::vector<ExprPtr> ways = {
      Sequence({Literal(First(bound)), Above(bound.substr(1), exclusive, most - 1).More()})};
  AddAbove(bound[0], 0, rest, ways);
  return {Choice(std::move(ways)), false};
}

Fractions Below(std::string_view bound, bool exclusive, int most) {
  const bool none = !bound.empty() || !exclusive;
  if (most == 0) return {Nothing(), none};
  if (bound.empty()) return {exclusive ? Nothing() : Repeat(Literal("0"), 1, most), none};
  std::vector<ExprPtr> ways = {
      Sequence({Literal(First(bound)), Below(bound.substr(1), exclusive, most - 1).More()})};
  AddBelow(bound[0], 0, static_cast<size_t>(most) - 1, ways);
  return {Choice(std::move(ways)), none};
}

Fractions Within(std::string_view min, bool min_exclusive, std::string_view max, bool max_exclusive,
                 int most) {
  const bool none = min.empty() && !min_exclusive && (!max.empty() || !max_exclusive);
  if (most == 0) return {Nothing(), none};
  if (max.empty()) {
    const bool zeros = min.empty() && !min_exclusive && !max_exclusive;
    return {zeros ? Repeat(Literal("0"), 1, most) : Nothing(), none};
  }
  const char from = min.empty() ? '0' : min[0], to = max[0];
  const std::string_view min_rest = min.substr(min.empty() ? 0 : 1), max_rest = max.substr(1);
  if (from > to) return {Nothing(), none};
  if (from == to) {
    const Fractions rest = Within(min_rest, min_exclusive, max_rest, max_exclusive, most - 1);
    return {Sequence({Literal(std::string(1, from)), rest.More()}), none};
  }
  std::vector<ExprPtr> ways = {
      Sequence({Literal(std::string(1, from)), Above(min_rest, min_exclusive, most - 1).More()}),
      Sequence({Literal(std::string(1, to)), Below(max_rest, max_exclusive, most - 1).More()})};
  if (from + 1 < to) {
    ways.push_back(Sequence({Digits(static_cast<char>(from + 1), static_cast<char>(to - 1)),
                             AnyDigits(0, static_cast<size_t>(most) - 1)}));
  }
  return {Choice(std::move(ways)), none};
}

/// A point and any digits, or neither.
ExprPtr AnyTail(int digits) { return Above("", false, digits).Tail(); }

int64_t Whole(const Decimal& decimal) {
  int64_t value = 0;
  std::from_chars(decimal.whole.data(), decimal.whole.data() + decimal.whole.size(), value);
  return value;
}

/// Numbers from `min` to `max`, neither negative, with at most `digits` after the point.
ExprPtr MagnitudesIn(const Bound& min, const std::optional<Bound>& max, int digits) {
  const int64_t least = Whole(min.value);
  const std::string_view min_fraction = min.value.fraction;
  if (!max) {
    return Choice(
        {Sequence({Literal(min.value.whole), Above(min_fraction, min.exclusive, digits).Tail()}),
         Sequence({NaturalsIn(least + 1, kMaxWhole), AnyTail(digits)})});
  }
  const int64_t most = Whole(max->value);
  const std::string_view max_fraction = max->value.fraction;
  if (least > most) return Nothing();
  if (least == most) {
    return Sequence(
        {Literal(min.value.whole),
         Within(min_fraction, min.exclusive, max_fraction, max->exclusive, digits).Tail()});
  }
  return Choice(
      {Sequence({Literal(min.value.whole), Above(min_fraction, min.exclusive, digits).Tail()}),
       Sequence({NaturalsIn(least + 1, most - 1), AnyTail(digits)}),
       Sequence({Literal(max->value.whole), Below(max_fraction, max->exclusive, digits).Tail()})});
}

}  // namespace

std::optional<Decimal> Decimal::Parse(std::string_view json) {
  Decimal out;
  if (json.starts_with('-')) {
    out.negative = true;
    json.remove_prefix(1);
  }
  int exponent = 0;
  if (const size_t e = json.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits = json.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    json = json.substr(0, e);
  }
  if (exponent < -50 || exponent > 50) return std::nullopt;
  const size_t point = std::min(json.find('.'), json.size());
  std::string digits(json.substr(0, point));
  if (point < json.size()) digits += json.substr(point + 1);
  int whole_digits = static_cast<int>(point) + exponent;
  if (whole_digits < 0) digits.insert(0, static_cast<size_t>(-whole_digits), '0');
  whole_digits = std::max(whole_digits, 0);
  if (digits.size() < static_cast<size_t>(whole_digits)) {
    digits.resize(static_cast<size_t>(whole_digits), '0');
  }
  out.whole = digits.substr(0, static_cast<size_t>(whole_digits));
  out.fraction = digits.substr(static_cast<size_t>(whole_digits));
  out.whole.erase(0, std::min(out.whole.find_first_not_of('0'), out.whole.size()));
  if (out.whole.empty()) out.whole = "0";
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  if (out.is_zero()) out.negative = false;
  if (out.fraction.empty() ? out.whole.size() > 18
                           : out.whole.size() + out.fraction.size() > kMaxDigits) {
    return std::nullopt;
  }
  return out;
}

int Compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = static_cast<int>(a.whole.size()) - static_cast<int>(b.whole.size());
  if (order == 0) order = a.whole.compare(b.whole);
  if (order == 0) order = a.fraction.compare(b.fraction);
  return a.negative ? -order : order;
}

ExprPtr IntegersIn(const NumberRange& range) {
  int64_t least = -kMaxInteger, most = kMaxInteger;
  if (range.min) {
    const Decimal& min = range.min->value;
    least = min.negative ? -Whole(min) : Whole(min);
    const bool above = !min.negative && !min.fraction.empty();
    if (above || (range.min->exclusive && min.fraction.empty())) ++least;
  }
  if (range.max) {
    const Decimal& max = range.max->value;
    most = max.negative ? -Whole(max) : Whole(max);
    const bool below = max.negative && !max.fraction.empty();
    if (below || (range.max->exclusive && max.fraction.empty())) --most;
  }
  std::vector<ExprPtr> ways;
  if (least <= most && most >= 0) ways.push_back(NaturalsIn(std::max<int64_t>(least, 0), most));
  if (least <= most && least < 0) {
    ways.push_back(Negative(NaturalsIn(most < 0 ? -most : 1, -least)));
  }
  return Choice(std::move(ways));
}

ExprPtr NumbersIn(const NumberRange& range) {
  size_t whole_digits = 1;
  for (const auto& bound : {range.min, range.max}) {
    if (bound) whole_digits = std::max(whole_digits, bound->value.whole.size());
  }
  const int digits = std::max(0, kMaxDigits - static_cast<int>(whole_digits));
  const auto magnitude = [](Bound bound) {
    bound.value.negative = false;
    return bound;
  };
  const bool min_negative = !range.min || range.min->value.negative;
  const bool max_negative = range.max && range.max->value.negative;
  std::vector<ExprPtr> ways;
  if (!max_negative) {
    const Bound from = min_negative ? Bound{} : *range.min;
    ways.push_back(MagnitudesIn(from, range.max, digits));
  }
  if (min_negative) {
    // Of numbers below zero: the bounds change places. -0 is 0.
    const bool below_zero = range.max && range.max->value.is_zero() && range.max->exclusive;
    const Bound from = max_negative ? magnitude(*range.max) : Bound{{}, below_zero};
    std::optional<Bound> to;
    if (range.min) to = magnitude(*range.min);
    ways.push_back(Negative(MagnitudesIn(from, to, digits)));
  }
  return Choice(std::move(ways));
}

}  // namespace baton::grammar
