#pragma once

#include <vector>

#include "baton/model/model_config.h"

namespace baton::model {

/// Radians per position of each rotated pair, [R / 2], with the configuration's scaling.
/// Computed in float32 like the implementations that models are trained with.
/// Source: Hugging Face transformers, modeling_rope_utils.py.
std::vector<float> RopeFrequencies(const ModelConfig& config);

/// Those of windowed layers that have a base of their own.
std::vector<float> LocalRopeFrequencies(const ModelConfig& config);

}  // namespace baton::model
