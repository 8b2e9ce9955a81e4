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

}  // namespace

std::vector<float> RopeFrequencies(const ModelConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  std::vector<float> frequencies;
  for (int32_t i = 0; i < config.head_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(config.head_dim);
    float frequency = 1.0f / std::pow(config.rope_theta, exponent);
    if (scaling.kind == RopeScaling::Kind::kLinear) frequency /= scaling.factor;
    if (scaling.kind == RopeScaling::Kind::kLlama3) frequency = ScaleLlama3(frequency, scaling);
    frequencies.push_back(frequency);
  }
  return frequencies;
}

}  // namespace baton::model
