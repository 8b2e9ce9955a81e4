#pragma once

#include <cstdint>

#include "ptx/matrix_descriptor.h"
#include "simt/tensor_core.h"

/// The twin of kernels/cuda/ptx/wgmma.h.
namespace baton::kernels::cuda::ptx {

inline void FenceWgmma(simt::Site site = simt::Site::current()) { simt::FenceWgmma(site); }
inline void CommitWgmma(simt::Site site = simt::Site::current()) { simt::CommitWgmma(site); }
template <int kPending>
void WaitWgmma(simt::Site site = simt::Site::current()) {
  simt::WaitWgmma(kPending, site);
}

template <int kCount>
void PinRegisters(float (&)[kCount]) {}

template <int kN>
struct Wgmma {
  template <bool kAcross, bool kAccumulate>
  static void FromShared(float (&d)[kN / 2], MatrixDescriptor a, MatrixDescriptor b,
                         simt::Site site = simt::Site::current()) {
    simt::IssueWgmma({.d = d,
                      .a_matrix = a,
                      .b_matrix = b,
                      .n = kN,
                      .b_across = kAcross,
                      .accumulate = kAccumulate},
                     site);
  }
  template <bool kAcross, bool kAccumulate>
  static void FromRegisters(float (&d)[kN / 2], const uint32_t (&a)[4], MatrixDescriptor b,
                            simt::Site site = simt::Site::current()) {
    simt::IssueWgmma(
        {.d = d, .a = a, .b_matrix = b, .n = kN, .b_across = kAcross, .accumulate = kAccumulate},
        site);
  }
};

}  // namespace baton::kernels::cuda::ptx
