#pragma once

#include <cstdint>

namespace baton::kernels::cuda::ptx {

/// An address of shared memory as instructions take it.
__device__ __forceinline__ uint32_t SharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

}  // namespace baton::kernels::cuda::ptx
