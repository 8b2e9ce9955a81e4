#pragma once

#include <cstdint>

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/named_barrier.h.
namespace baton::kernels::cuda::ptx {

inline void SyncBarrier(uint32_t id, uint32_t threads, simt::Site site = simt::Site::current()) {
  simt::BarrierSync(static_cast<int>(id), static_cast<int>(threads), site);
}
inline void ArriveAtBarrier(uint32_t id, uint32_t threads,
                            simt::Site site = simt::Site::current()) {
  simt::BarrierArrive(static_cast<int>(id), static_cast<int>(threads), site);
}

}  // namespace baton::kernels::cuda::ptx
