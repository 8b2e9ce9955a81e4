#include "rope.h"

#include <cmath>
#include <numbers>

namespace baton::model {
namespace {

/// Leaves short wavelengths alone, stretches long ones by the factor, blends in between.
float ScaleLlama3(float frequency, const RopeScaling& scaling) {
  const float context = scaling.original_context_tokens;
  const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
  if (wavelength < context / scaling.high_freq_factor) return frequency;
  if (wavelength > context / scaling.low_freq_factor) return frequency / scaling.factor;
  const float smooth = (context / wavelength - scaling.low_freq_factor) /
                       (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1 - smooth) * frequency / scaling.factor + smooth * frequency;
}

/// base^(-i / R) for each pair.
std::vector<float> Unscaled(float base, int32_t rotary_dim) {
  std::vector<float> frequencies;
  for (int32_t i = 0; i < rotary_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(rotary_dim);
    frequencies.push_back(1.0f / std::pow(base, exponent));
  }
  return frequencies;
}

}  // namespace

std::vector<float> RopeFrequencies(const ModelConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  std::vector<float> frequencies = Unscaled(config.rope_theta, config.rotary_dim);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    float& frequency = frequencies[i];
    switch (scaling.kind) {
      case RopeScaling::Kind::kNone: break;
      case RopeScaling::Kind::kLinear: frequency /= scaling.factor; break;
      case RopeScaling::Kind::kLlama3: frequency = ScaleLlama3(frequency, scaling); break;
      case RopeScaling::Kind::kLongRope: frequency /= scaling.factors[i]; break;
    }
  }
  return frequencies;
}

std::vector<float> LocalRopeFrequencies(const ModelConfig& config) {
  return Unscaled(config.local_rope_theta, config.rotary_dim);
}

}  // namespace baton::model
