#pragma once

#include <cstdint>

#include "ptx/swizzle.h"

namespace baton::kernels::cuda::ptx {

/// A tensor of bfloat16 in device memory and the box that one copy takes; dimension 0 is the
/// innermost. REQUIRES: base and strides are multiples of 16 bytes; box[0] spans the swizzle's
/// bytes (kNone: a multiple of 16 bytes); box[i] <= 256.
struct TensorMapShape {
  const void* base = nullptr;
  int rank = 0;
  uint64_t extent[5] = {};
  /// Bytes from one index of dimension i + 1 to the next.
  uint64_t stride_bytes[4] = {};
  uint32_t box[5] = {};
  Swizzle swizzle = Swizzle::k128;
};

}  // namespace baton::kernels::cuda::ptx
