#pragma once

#include <cstdint>
#include <string>

#include "baton/base/random.h"
#include "baton/base/status.h"

namespace baton::loadgen {

enum class LengthKind : uint8_t { kFixed, kUniform, kLognormal };

/// How long prompts or outputs are, in tokens; never less than 1.
struct Lengths {
  LengthKind kind = LengthKind::kFixed;
  /// The length; the least; the median.
  double first = 128;
  /// The most; sigma, the standard deviation of the logarithm.
  double second = 0;

  int32_t Draw(Random& random) const;
  /// As ParseLengths() reads it.
  std::string ToString() const;
};

/// Reads "512", "100-200" (uniform) or "lognormal:512:0.8" (median, sigma). Fails with
/// InvalidArgument naming these forms.
Result<Lengths> ParseLengths(const std::string& text);

}  // namespace baton::loadgen
