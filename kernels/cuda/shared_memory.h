#pragma once

#include <type_traits>

/// Shared memory without the keyword, which a host compiler cannot give the meaning it has. Under
/// the emulator tests/simt/shared_memory.h takes this file's place.
namespace baton::kernels::cuda {

/// The block's dynamic shared memory, aligned to 1024 bytes (a swizzled tile's unit).
__device__ inline unsigned char* DynamicShared() {
  extern __shared__ __align__(1024) unsigned char baton_dynamic_shared[];
  return baton_dynamic_shared;
}

/// The block's one variable of this type: name a struct for each kernel. Not initialised.
template <class T>
__device__ inline T& StaticShared() {
  static_assert(std::is_trivially_default_constructible_v<T>, "shared memory is not constructed");
  __shared__ T variable;
  return variable;
}

}  // namespace baton::kernels::cuda
