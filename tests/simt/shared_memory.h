#pragma once

#include <type_traits>

#include "simt/machine.h"

namespace baton::kernels::cuda {

/// The twin of kernels/cuda/shared_memory.h.
inline unsigned char* DynamicShared() {
  return reinterpret_cast<unsigned char*>(simt::DynamicSharedBytes());
}

template <class T>
T& StaticShared() {
  static_assert(std::is_trivially_default_constructible_v<T>, "shared memory is not constructed");
  return *reinterpret_cast<T*>(simt::StaticSharedBytes(typeid(T), sizeof(T), alignof(T)));
}

}  // namespace baton::kernels::cuda
