#pragma once

#include <cstdint>

namespace baton::kernels::cuda {

/// A place in a ring of stages and the parity of the round it is in.
template <int kStages>
struct Ring {
  int stage = 0;
  uint32_t parity = 0;

  __device__ void Next() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

}  // namespace baton::kernels::cuda
