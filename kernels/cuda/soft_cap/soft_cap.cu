#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"
#include "ptx/kernel_order.h"

namespace baton::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// A thread for each W of n values.
template <int W>
__global__ void __launch_bounds__(kThreads) CapAll(float* x, int64_t n, float cap) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * W;
  if (i >= n) return;
  float values[W];
  Load(x + i, values);
#pragma unroll
  for (int k = 0; k < W; ++k) values[k] = cap * tanhf(values[k] / cap);
  Store(values, x + i);
}

}  // namespace

void SoftCap(const ops::SoftCapParams& p, device::Stream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.F > 0 && p.cap > 0 && p.x != nullptr);
  const int64_t n = p.T * p.F;
  const bool eights = n % 8 == 0 && Fits16(p.x);
  const int64_t per_block = int64_t{kThreads} * (eights ? 8 : 1);
  LaunchEarly(eights ? CapAll<8> : CapAll<1>,
              dim3(static_cast<unsigned>((n + per_block - 1) / per_block)), dim3(kThreads), 0,
              stream, p.x, n, p.cap);
}

}  // namespace baton::kernels::cuda
