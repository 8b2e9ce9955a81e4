#pragma once

#include <cstdint>

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/shared_address.h.
namespace baton::kernels::cuda::ptx {

inline uint32_t SharedAddress(const void* shared) { return simt::SharedAddress(shared); }

}  // namespace baton::kernels::cuda::ptx
