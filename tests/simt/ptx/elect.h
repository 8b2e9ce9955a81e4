#pragma once

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/elect.h.
namespace baton::kernels::cuda::ptx {

inline bool ElectLane(simt::Site site = simt::Site::current()) {
  simt::MeetLanes(0xffffffffu, "elect.sync", nullptr, nullptr, site);
  return simt::Self().lane == 0;
}

}  // namespace baton::kernels::cuda::ptx
