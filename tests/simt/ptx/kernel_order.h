#pragma once

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/kernel_order.h.
namespace baton::kernels::cuda::ptx {

inline void LetNextBegin() {}

inline void AwaitKernelsBefore(simt::Site site = simt::Site::current()) {
  simt::AwaitKernelsBefore(site);
}

}  // namespace baton::kernels::cuda::ptx
