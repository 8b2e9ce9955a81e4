#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "baton/base/status.h"
#include "expr.h"

namespace baton::grammar {

/// An exact decimal number: digits before the point without leading zeros ("0" for none), and after
/// it without trailing ones.
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction;

  bool is_zero() const { return whole == "0" && fraction.empty(); }
  /// Of a number as JSON writes it. Nothing where it has more digits than a double keeps apart (15)
  /// and so could not be told from its neighbours.
  static std::optional<Decimal> Parse(std::string_view json);
};
/// Less than, equal to or greater than 0 as a is to b.
int Compare(const Decimal& a, const Decimal& b);

struct Bound {
  Decimal value;
  bool exclusive = false;
};
struct NumberRange {
  std::optional<Bound> min;
  std::optional<Bound> max;
};

/// The integers of the range, of at most 18 digits, as JSON without point and exponent.
ExprPtr IntegersIn(const NumberRange& range);
/// Numbers of the range without exponent, of at most 15 digits before the point, and after it so
/// many that a reader who takes them for doubles finds them in the range too.
ExprPtr NumbersIn(const NumberRange& range);

}  // namespace baton::grammar
