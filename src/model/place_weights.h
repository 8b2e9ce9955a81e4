#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "baton/device/memory.h"
#include "baton/model/weights.h"

namespace baton::model {

struct Placement {
  device::DeviceMemory& memory;
  /// What all weights become; none: they stay what they are.
  std::optional<DType> dtype;
  /// Told now and then how many bytes are there, of how many.
  std::function<void(int64_t done, int64_t total)> on_progress;
  /// Of each of the two pinned buffers through which weights pass, one of which is filled while the
  /// other is copied. A multiple of 64.
  size_t staging_bytes = size_t{16} << 20;
};

/// Brings weights into memory of a device, which is returned, and points the views there. Those
/// that lie nowhere are made up: norms that change nothing, biases of 0, matrices uniform with
/// variance 1 / K, the same wherever and however often. Fails with ResourceExhausted, or when the
/// device is sick.
Result<device::Allocation> PlaceWeights(const ModelConfig& config, Weights& weights,
                                        const Placement& placement);

}  // namespace baton::model
