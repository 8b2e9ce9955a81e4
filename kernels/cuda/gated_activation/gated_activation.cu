#include "baton/base/check.h"
#include "bf16x8.h"
#include "launch.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kElements = 8;

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

/// Row blockIdx.x, a thread for each eight columns; y may be gate or up.
template <class Activation>
__global__ void __launch_bounds__(kThreads)
    GateEights(const __nv_bfloat16* gate,  // [T, F], in_stride
               const __nv_bfloat16* up,    // [T, F], in_stride
               __nv_bfloat16* y,           // [T, F], y_stride
               int64_t F, int64_t in_stride, int64_t y_stride) {
  const int64_t t = blockIdx.x;
  const int64_t f = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * kElements;
  if (f >= F) return;
  // 1. Both loads are under way before either is used.
  const auto gates = *reinterpret_cast<const Bf16x8*>(gate + t * in_stride + f);
  const auto ups = *reinterpret_cast<const Bf16x8*>(up + t * in_stride + f);
  // 2. In float32, rounded once.
  float a[kElements];
  float b[kElements];
  Widen(gates, a);
  Widen(ups, b);
#pragma unroll
  for (int i = 0; i < kElements; ++i) a[i] = Activation::Of(a[i]) * b[i];
  *reinterpret_cast<Bf16x8*>(y + t * y_stride + f) = Narrow(a);
}

/// The same one by one, for widths and strides that eights do not fit.
template <class Activation>
__global__ void __launch_bounds__(kThreads)
    GateOnes(const __nv_bfloat16* gate, const __nv_bfloat16* up, __nv_bfloat16* y, int64_t F,
             int64_t in_stride, int64_t y_stride) {
  const int64_t t = blockIdx.x;
  const int64_t f = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  if (f >= F) return;
  const float a = __bfloat162float(gate[t * in_stride + f]);
  const float b = __bfloat162float(up[t * in_stride + f]);
  y[t * y_stride + f] = __float2bfloat16(Activation::Of(a) * b);
}

template <class Activation>
void Gate(const ops::GatedActivationParams& p, device::Stream& stream) {
  BATON_CHECK(p.activation == DType::kBFloat16) << "activations on the device are bfloat16";
  BATON_CHECK(p.in_stride >= p.F && p.y_stride >= p.F);
  if (p.T == 0 || p.F == 0) return;
  const bool eights = p.F % kElements == 0 && p.in_stride % kElements == 0 &&
                      p.y_stride % kElements == 0 && Fits16(p.gate) && Fits16(p.up) && Fits16(p.y);
  const int64_t columns = int64_t{kThreads} * (eights ? kElements : 1);
  const dim3 grid(static_cast<unsigned>(p.T), static_cast<unsigned>((p.F + columns - 1) / columns));
  Launch(eights ? GateEights<Activation> : GateOnes<Activation>, grid, dim3(kThreads), 0,
         NativeStream(stream), static_cast<const __nv_bfloat16*>(p.gate),
         static_cast<const __nv_bfloat16*>(p.up), static_cast<__nv_bfloat16*>(p.y), p.F,
         p.in_stride, p.y_stride);
}

}  // namespace

void SiluMul(const ops::GatedActivationParams& p, device::Stream& stream) { Gate<Silu>(p, stream); }

void GeluMul(const ops::GatedActivationParams& p, device::Stream& stream) {
  Gate<GeluTanh>(p, stream);
}

}  // namespace baton::kernels::cuda
