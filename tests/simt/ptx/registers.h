#pragma once

#include <cstdint>

#include "simt/register_file.h"

/// The twin of kernels/cuda/ptx/registers.h.
namespace baton::kernels::cuda::ptx {

template <uint32_t kRegisters>
void KeepRegisters(simt::Site site = simt::Site::current()) {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  simt::SetRegisters(kRegisters, false, site);
}
template <uint32_t kRegisters>
void TakeRegisters(simt::Site site = simt::Site::current()) {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  simt::SetRegisters(kRegisters, true, site);
}

}  // namespace baton::kernels::cuda::ptx
