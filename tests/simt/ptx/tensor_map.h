#pragma once

#include "baton/base/check.h"
#include "ptx/tensor_map_shape.h"
#include "simt/tensor_copy.h"

/// The twin of kernels/cuda/ptx/tensor_map.h.
namespace baton::kernels::cuda::ptx {

using TensorMap = simt::TensorCopyMap;

inline TensorMap MakeTensorMap(const TensorMapShape& shape) {
  TensorMap map{.base = static_cast<const std::byte*>(shape.base),
                .rank = shape.rank,
                .swizzle_bytes = SwizzleBytes(shape.swizzle)};
  for (int i = 0; i < shape.rank; ++i) {
    map.extent[i] = shape.extent[i];
    map.box[i] = shape.box[i];
    if (i > 0) map.stride_bytes[i - 1] = shape.stride_bytes[i - 1];
  }
  const std::string why_not = simt::WhyNotATensorMap(map);
  BATON_CHECK(why_not.empty()) << "a tensor map wants " << why_not;
  return map;
}

}  // namespace baton::kernels::cuda::ptx
