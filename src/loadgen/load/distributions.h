#pragma once

#include "baton/base/random.h"

namespace baton::loadgen {

/// Exponential with mean 1.
double DrawExponential(Random& random);
/// Standard normal (Box-Muller).
double DrawNormal(Random& random);
/// Gamma with mean 1 and this shape. Source: Marsaglia and Tsang, "A Simple Method for Generating
/// Gamma Variables", 2000; their power of a uniform for shapes below 1. REQUIRES: shape > 0.
double DrawGamma(double shape, Random& random);

}  // namespace baton::loadgen
