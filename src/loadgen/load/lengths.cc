#include "baton/loadgen/lengths.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>

#include "distributions.h"

namespace baton::loadgen {
namespace {

/// Longer than any context, and far from what int32_t holds.
constexpr double kLongest = 100'000'000;
constexpr std::string_view kLognormal = "lognormal:";

bool ParseNumber(std::string_view text, double& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end && std::isfinite(value);
}

bool IsLength(double value) { return value >= 1 && value <= kLongest; }

/// Two numbers with `separator` between them.
bool ParsePair(std::string_view text, char separator, Lengths& lengths) {
  const size_t at = text.find(separator);
  return at != std::string_view::npos && ParseNumber(text.substr(0, at), lengths.first) &&
         ParseNumber(text.substr(at + 1), lengths.second);
}

}  // namespace

int32_t Lengths::Draw(Random& random) const {
  double length = first;
  if (kind == LengthKind::kUniform) {
    length = first + std::floor(random.Uniform() * (second - first + 1));
  } else if (kind == LengthKind::kLognormal) {
    length = std::round(first * std::exp(second * DrawNormal(random)));
  }
  return static_cast<int32_t>(std::clamp(length, 1.0, kLongest));
}

std::string Lengths::ToString() const {
  std::ostringstream out;
  out.precision(10);
  if (kind == LengthKind::kLognormal) out << kLognormal;
  out << first;
  if (kind == LengthKind::kUniform) out << '-' << second;
  if (kind == LengthKind::kLognormal) out << ':' << second;
  return out.str();
}

Result<Lengths> ParseLengths(const std::string& text) {
  Lengths lengths;
  const std::string_view view = text;
  if (view.starts_with(kLognormal)) {
    lengths.kind = LengthKind::kLognormal;
    if (ParsePair(view.substr(kLognormal.size()), ':', lengths) && IsLength(lengths.first) &&
        lengths.second >= 0) {
      return lengths;
    }
  } else if (ParseNumber(view, lengths.first)) {
    if (IsLength(lengths.first) && lengths.first == std::floor(lengths.first)) return lengths;
  } else if (ParsePair(view, '-', lengths) && IsLength(lengths.first) && IsLength(lengths.second) &&
             lengths.first <= lengths.second) {
    lengths.kind = LengthKind::kUniform;
    return lengths;
  }
  return InvalidArgument("'" + text +
                         "' is no length in tokens; write e.g. 512, 100-200 (uniform) or "
                         "lognormal:512:0.8 (median, sigma)");
}

}  // namespace baton::loadgen
