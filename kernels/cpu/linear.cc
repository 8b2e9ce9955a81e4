#include "baton/base/check.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

/// Multiply-adds worth another thread: some 10 us of one core.
constexpr int64_t kGrainMultiplyAdds = 1 << 18;

}  // namespace

void Linear(const Isa& isa, const ops::LinearParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.N > 0 && p.K > 0 && p.x_stride >= p.K && p.w_row() >= p.K &&
              p.y_stride >= p.N)
      << "T " << p.T << ", N " << p.N << ", K " << p.K << ", strides " << p.x_stride << ", "
      << p.w_row() << ", " << p.y_stride;
  BATON_CHECK(p.x != nullptr && p.w != nullptr && p.y != nullptr);
  BATON_CHECK(p.x_dtype == DType::kFloat32 && p.y_dtype == DType::kFloat32);
  const int64_t tiles = kGrainMultiplyAdds / (p.T * p.K * kLinearGrainN) + 1;
  stream.ParallelFor(p.N, tiles * kLinearGrainN,
                     [&](int64_t begin, int64_t end) { isa.linear(p, begin, end); });
}

}  // namespace baton::kernels::cpu
