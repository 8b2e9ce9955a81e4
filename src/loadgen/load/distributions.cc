#include "distributions.h"

#include <cmath>
#include <numbers>

namespace baton::loadgen {
namespace {

/// Uniform in (0, 1]: its logarithm is finite.
double Positive(Random& random) { return 1.0 - random.Uniform(); }

/// Gamma with this shape and scale 1. REQUIRES: shape >= 1.
double DrawGammaAboveOne(double shape, Random& random) {
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double normal = DrawNormal(random);
    const double root = 1 + c * normal;
    if (root <= 0) continue;
    const double cube = root * root * root;
    const double bound = 0.5 * normal * normal + d - d * cube + d * std::log(cube);
    if (std::log(Positive(random)) < bound) return d * cube;
  }
}

}  // namespace

double DrawExponential(Random& random) { return -std::log(Positive(random)); }

double DrawNormal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(Positive(random)));
  return radius * std::cos(2 * std::numbers::pi * random.Uniform());
}

double DrawGamma(double shape, Random& random) {
  if (shape >= 1) return DrawGammaAboveOne(shape, random) / shape;
  const double above = DrawGammaAboveOne(shape + 1, random);
  return above * std::pow(Positive(random), 1 / shape) / shape;
}

}  // namespace baton::loadgen
