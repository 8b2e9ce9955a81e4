#include <algorithm>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "launch.h"
#include "linear/skinny.cuh"
#include "linear/skinny.h"
#include "multiprocessors.h"

namespace baton::kernels::cuda {
namespace {

template <int kTiles, bool kWide>
void LaunchTyped(const SkinnyArgs& args, DType y_dtype, device::Stream& stream) {
  const dim3 grid(static_cast<unsigned>(CeilDiv(args.N, kTiles * 16)));
  if (y_dtype == DType::kFloat32) {
    LaunchEarly(SkinnyColumns<kTiles, kWide, float>, grid, dim3(kSkinnyThreads), 0, stream, args);
  } else {
    LaunchEarly(SkinnyColumns<kTiles, kWide, __nv_bfloat16>, grid, dim3(kSkinnyThreads), 0, stream,
                args);
  }
}

bool Aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

void CheckParams(const ops::LinearParams& p) {
  BATON_CHECK(p.T >= 0 && p.N > 0 && p.K > 0 && p.x_stride >= p.K && p.y_stride >= p.N)
      << "linear of " << p.T << " x " << p.N << " x " << p.K;
  BATON_CHECK(p.x_dtype == DType::kBFloat16 && p.w_dtype == DType::kBFloat16 &&
              (p.y_dtype == DType::kBFloat16 || p.y_dtype == DType::kFloat32))
      << "linear from " << DTypeName(p.x_dtype) << " and " << DTypeName(p.w_dtype) << " to "
      << DTypeName(p.y_dtype);
}

}  // namespace

SkinnyTuning ChooseSkinny(int64_t T, int64_t N, int multiprocessors) {
  // A block reads its weights and, from the L2, all of x.
  const auto cost = [&](int64_t columns) {
    const int64_t blocks = CeilDiv(N, columns);
    const int64_t waves = CeilDiv(blocks, int64_t{multiprocessors});
    return waves * (columns + std::min(T, kSkinnyRows) / 2);
  };
  return {.columns = cost(16) < cost(32) ? 16 : 32};
}

void SkinnyLinear(const ops::LinearParams& p, device::Stream& stream) {
  CheckParams(p);
  const bool wide = p.K % 8 == 0 && p.x_stride % 8 == 0 && Aligned(p.x) && Aligned(p.w);
  const SkinnyTuning tuning = ChooseSkinny(p.T, p.N, MultiprocessorsOf(stream));
  for (int64_t t = 0; t < p.T; t += kSkinnyRows) {
    const SkinnyArgs args{.x = static_cast<const __nv_bfloat16*>(p.x) + t * p.x_stride,
                          .w = static_cast<const __nv_bfloat16*>(p.w),
                          .bias = static_cast<const __nv_bfloat16*>(p.bias),
                          .y = static_cast<std::byte*>(p.y) +
                               t * p.y_stride * static_cast<int64_t>(DTypeBytes(p.y_dtype)),
                          .x_stride = p.x_stride,
                          .y_stride = p.y_stride,
                          .M = static_cast<int32_t>(std::min(kSkinnyRows, p.T - t)),
                          .N = static_cast<int32_t>(p.N),
                          .K = static_cast<int32_t>(p.K)};
    if (!wide) {
      LaunchTyped<1, false>(args, p.y_dtype, stream);
    } else if (tuning.columns == 16) {
      LaunchTyped<1, true>(args, p.y_dtype, stream);
    } else {
      LaunchTyped<2, true>(args, p.y_dtype, stream);
    }
  }
}

}  // namespace baton::kernels::cuda
