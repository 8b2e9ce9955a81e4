#pragma once

#include <cstdint>

#include "simt/mbarrier.h"

/// The twin of kernels/cuda/ptx/mbarrier.h.
namespace baton::kernels::cuda::ptx {

struct alignas(8) Mbarrier {
  uint64_t state;
};

inline void InitMbarrier(Mbarrier* barrier, uint32_t arrivals,
                         simt::Site site = simt::Site::current()) {
  simt::InitMbarrier(&barrier->state, arrivals, site);
}
inline void FenceMbarrierInit() { simt::FenceMbarriers(); }
inline void Arrive(Mbarrier* barrier, simt::Site site = simt::Site::current()) {
  simt::ArriveAtMbarrier(&barrier->state, 0, site);
}
inline void ArriveAndExpect(Mbarrier* barrier, uint32_t bytes,
                            simt::Site site = simt::Site::current()) {
  simt::ArriveAtMbarrier(&barrier->state, bytes, site);
}
inline void Wait(Mbarrier* barrier, uint32_t parity, simt::Site site = simt::Site::current()) {
  simt::WaitForMbarrier(&barrier->state, parity, site);
}

}  // namespace baton::kernels::cuda::ptx
