#pragma once

#include <cstdint>

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/peer_flag.h. Others go first, as a flag may take its time.
namespace baton::kernels::cuda::ptx {

inline void RaiseFlag(uint32_t* flag, uint32_t value) {
  simt::Yield();
  *flag = value;
}

inline void AwaitFlag(const uint32_t* flag, uint32_t value, const uint32_t* ended,
                      simt::Site site = simt::Site::current()) {
  simt::WaitUntil(
      "a peer's flag", [=] { return static_cast<int32_t>(*flag - value) >= 0 || *ended != 0; },
      site);
}

}  // namespace baton::kernels::cuda::ptx
