#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"
#include "ptx/kernel_order.h"

namespace baton::kernels::cuda {
namespace {

constexpr int kThreads = 256;

struct Silu {
  __device__ static float Of(float a) { return a / (1.0f + expf(-a)); }
};

struct GeluTanh {
  /// a / 2 (1 + tanh(u)) is a / (1 + exp(-2 u)).
  __device__ static float Of(float a) {
    constexpr float kTwiceSlope = -1.5957691216057308f;  // -2 sqrt(2 / pi)
    return a / (1.0f + expf(kTwiceSlope * (a + 0.044715f * a * a * a)));
  }
};

/// Row blockIdx.x, a thread for each W columns. y may be gate or up: a thread reads what it writes.
template <class Activation, int W>
__global__ void __launch_bounds__(kThreads)
    GateRows(const __nv_bfloat16* gate,  // [T, F], in_stride
             const __nv_bfloat16* up,    // [T, F], in_stride
             __nv_bfloat16* y,           // [T, F], y_stride
             int64_t F, int64_t in_stride, int64_t y_stride) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int64_t t = blockIdx.x;
  const int64_t f = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * W;
  if (f >= F) return;
  float a[W];
  float b[W];
  Load(gate + t * in_stride + f, a);
  Load(up + t * in_stride + f, b);
#pragma unroll
  for (int i = 0; i < W; ++i) a[i] = Activation::Of(a[i]) * b[i];
  Store(a, y + t * y_stride + f);
}

template <class Activation>
void Gate(const ops::GatedActivationParams& p, device::Stream& stream) {
  BATON_CHECK(p.activation == DType::kBFloat16) << "activations on the device are bfloat16";
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.F > 0 && p.in_stride >= p.F && p.y_stride >= p.F);
  BATON_CHECK(p.gate != nullptr && p.up != nullptr && p.y != nullptr);
  const bool eights = p.F % 8 == 0 && p.in_stride % 8 == 0 && p.y_stride % 8 == 0 &&
                      Fits16(p.gate) && Fits16(p.up) && Fits16(p.y);
  const int64_t columns = int64_t{kThreads} * (eights ? 8 : 1);
  const dim3 grid(static_cast<unsigned>(p.T), static_cast<unsigned>((p.F + columns - 1) / columns));
  LaunchEarly(eights ? GateRows<Activation, 8> : GateRows<Activation, 1>, grid, dim3(kThreads), 0,
              stream, static_cast<const __nv_bfloat16*>(p.gate),
              static_cast<const __nv_bfloat16*>(p.up), static_cast<__nv_bfloat16*>(p.y), p.F,
              p.in_stride, p.y_stride);
}

}  // namespace

void SiluMul(const ops::GatedActivationParams& p, device::Stream& stream) { Gate<Silu>(p, stream); }

void GeluMul(const ops::GatedActivationParams& p, device::Stream& stream) {
  Gate<GeluTanh>(p, stream);
}

}  // namespace baton::kernels::cuda
