#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"
#include "ptx/kernel_order.h"

namespace baton::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// Row blockIdx.x, a thread for each W columns.
template <int W>
__global__ void __launch_bounds__(kThreads)
    EmbedRows(const TokenId* __restrict__ tokens,       // [T]
              const __nv_bfloat16* __restrict__ table,  // [V, E]
              float* __restrict__ y,                    // [T, E]
              int64_t E, float scale) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int64_t t = blockIdx.x;
  const int64_t e = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * W;
  if (e >= E) return;
  float values[W];
  Load(table + int64_t{tokens[t]} * E + e, values);
#pragma unroll
  for (int i = 0; i < W; ++i) values[i] *= scale;
  Store(values, y + t * E + e);
}

}  // namespace

void Embedding(const ops::EmbeddingParams& p, device::Stream& stream) {
  BATON_CHECK(p.table_dtype == DType::kBFloat16) << "weights on the device are bfloat16";
  BATON_CHECK(p.table_packing == ops::Packing::kNone);
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.E > 0 && p.tokens != nullptr && p.table != nullptr && p.y != nullptr);
  const bool eights = p.E % 8 == 0 && Fits16(p.table) && Fits16(p.y);
  const int64_t columns = int64_t{kThreads} * (eights ? 8 : 1);
  const dim3 grid(static_cast<unsigned>(p.T), static_cast<unsigned>((p.E + columns - 1) / columns));
  LaunchEarly(eights ? EmbedRows<8> : EmbedRows<1>, grid, dim3(kThreads), 0, stream, p.tokens,
              static_cast<const __nv_bfloat16*>(p.table), p.y, p.E, p.scale);
}

}  // namespace baton::kernels::cuda
