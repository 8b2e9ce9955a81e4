#include <algorithm>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

/// Most rows and columns of a tile, over all instruction sets.
constexpr int64_t kMostRows = 4;
constexpr int64_t kMostCols = 6;
constexpr int64_t kLanes = 16;

/// Multiply-adds worth another thread: some 10 us of one core.
constexpr int64_t kGrainMultiplyAdds = 1 << 18;

}  // namespace

int64_t LinearScratch(const ops::LinearParams& p) {
  const int64_t panel = std::min(p.T, kLinearPanelT) + kMostRows;
  return kMostCols * kLinearBlockK + panel * kMostCols * kLanes;
}

namespace {

/// Whether the rows of x start at cache lines and end with whole vectors.
bool IsAligned(const ops::LinearParams& p) {
  return reinterpret_cast<uintptr_t>(p.x) % 64 == 0 && p.x_stride % kLanes == 0 &&
         p.K % kLanes == 0;
}

/// Copies x into `to`, each row padded with zeros to `stride`.
void CopyRows(const ops::LinearParams& p, int64_t stride, float* to, device::HostStream& stream) {
  stream.ParallelFor(p.T, GrainOf(p.K), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = to + t * stride;
      std::copy_n(p.x + t * p.x_stride, p.K, row);
      std::fill(row + p.K, row + stride, 0.0f);
    }
  });
}

void RunRanges(const Isa& isa, const ops::LinearParams& p, device::HostStream& stream) {
  const int64_t grains = kGrainMultiplyAdds / (p.T * p.K * kLinearGrainN) + 1;
  stream.ParallelFor(p.N, grains * kLinearGrainN, [&](int64_t begin, int64_t end) {
    Scratch scratch(p.T < kLinearManyRows ? 0 : LinearScratch(p));
    isa.linear(p, begin, end, scratch.data());
  });
}

}  // namespace

void Linear(const Isa& isa, const ops::LinearParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.N > 0 && p.K > 0 && p.x_stride >= p.K && p.y_stride >= p.N)
      << "T " << p.T << ", N " << p.N << ", K " << p.K << ", strides " << p.x_stride << ", "
      << p.y_stride;
  BATON_CHECK(p.x != nullptr && p.w != nullptr && p.y != nullptr);
  if (p.T < kLinearManyRows || IsAligned(p)) return RunRanges(isa, p, stream);
  ops::LinearParams aligned = p;
  aligned.x_stride = CeilDiv(p.K, kLanes) * kLanes;
  Scratch x(p.T * aligned.x_stride);
  CopyRows(p, aligned.x_stride, x.data(), stream);
  aligned.x = x.data();
  RunRanges(isa, aligned, stream);
}

}  // namespace baton::kernels::cpu
