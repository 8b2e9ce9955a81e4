#pragma once

#include <algorithm>
#include <cstdint>

#include "baton/device/stream.h"
#include "baton/ops/step_plan.h"

/// For how many multiprocessors work is divided: those of a stream, which may be a part of a GPU's.
/// No result depends on it.
namespace baton::kernels::cuda {

/// Those of H100 and H200 as SXM, which no device of compute capability 9.0 exceeds.
inline constexpr int32_t kMostMultiprocessors = 132;

/// `known`, or all that there may be where it is 0.
constexpr int32_t MultiprocessorsOf(int32_t known) {
  return known > 0 ? std::min(known, kMostMultiprocessors) : kMostMultiprocessors;
}
inline int32_t MultiprocessorsOf(const device::Stream& stream) {
  return MultiprocessorsOf(stream.multiprocessors());
}
constexpr int32_t MultiprocessorsOf(const ops::PlanShape& shape) {
  return MultiprocessorsOf(shape.multiprocessors);
}

}  // namespace baton::kernels::cuda
