#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"
#include "ptx/kernel_order.h"

namespace baton::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// Row blockIdx.x, a thread for each unit.
template <class Unit>
__global__ void __launch_bounds__(kThreads) GatherUnits(const Unit* __restrict__ x,  // [., units]
                                                        const int32_t* __restrict__ rows,  // [T]
                                                        Unit* __restrict__ y,  // [T, units]
                                                        int64_t units) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int64_t i = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  if (i >= units) return;
  y[blockIdx.x * units + i] = x[rows[blockIdx.x] * units + i];
}

template <class Unit>
void Gather(const ops::GatherRowsParams& p, device::Stream& stream) {
  const int64_t units = p.row_bytes / static_cast<int64_t>(sizeof(Unit));
  const dim3 grid(static_cast<unsigned>(p.T),
                  static_cast<unsigned>((units + kThreads - 1) / kThreads));
  LaunchEarly(GatherUnits<Unit>, grid, dim3(kThreads), 0, stream, static_cast<const Unit*>(p.x),
              p.rows, static_cast<Unit*>(p.y), units);
}

}  // namespace

void GatherRows(const ops::GatherRowsParams& p, device::Stream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.row_bytes > 0 && p.x != nullptr && p.rows != nullptr && p.y != nullptr);
  if (Fits16(p.row_bytes) && Fits16(p.x) && Fits16(p.y)) {
    Gather<uint4>(p, stream);
  } else {
    Gather<uint8_t>(p, stream);
  }
}

}  // namespace baton::kernels::cuda
