#pragma once

#include <cstdint>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "baton/base/check.h"
#include "ptx/tensor_map_shape.h"

/// How the TMA unit sees a matrix in device memory. Under the emulator tests/simt/ptx/tensor_map.h
/// takes this file's place.
namespace baton::kernels::cuda::ptx {

/// A kernel takes it as a `const __grid_constant__` parameter.
using TensorMap = CUtensorMap;

/// What lies outside of the extents reads as zero. Host only; no driver library is linked: its
/// function is asked for at run time.
inline TensorMap MakeTensorMap(const TensorMapShape& shape) {
  static const auto encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                               12000, cudaEnableDefault, &found);
    BATON_CHECK(error == cudaSuccess && found == cudaDriverEntryPointSuccess)
        << "the driver has no cuTensorMapEncodeTiled: " << cudaGetErrorString(error);
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
  }();
  constexpr CUtensorMapSwizzle kSwizzles[] = {CU_TENSOR_MAP_SWIZZLE_NONE,
                                              CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_SWIZZLE_64B,
                                              CU_TENSOR_MAP_SWIZZLE_32B};
  constexpr cuuint32_t kElementStrides[5] = {1, 1, 1, 1, 1};
  TensorMap map{};
  const CUresult result = encode(
      &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, static_cast<cuuint32_t>(shape.rank),
      const_cast<void*>(shape.base), shape.extent, shape.stride_bytes, shape.box, kElementStrides,
      CU_TENSOR_MAP_INTERLEAVE_NONE, kSwizzles[static_cast<int>(shape.swizzle)],
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  BATON_CHECK(result == CUDA_SUCCESS) << "cuTensorMapEncodeTiled: " << static_cast<int>(result);
  return map;
}

}  // namespace baton::kernels::cuda::ptx
