#include <bit>

#include "baton/base/check.h"
#include "launch.h"
#include "paged_prefill/consumer.cuh"
#include "paged_prefill/paged_prefill.h"
#include "paged_prefill/producer.cuh"
#include "ptx/registers.h"
#include "ptx/tma.h"

namespace baton::kernels::cuda {
namespace paged_prefill {
namespace {

/// A block's items one after the other: warpgroup 0 loads, 1 and 2 compute.
template <int kD>
__global__ void __launch_bounds__(kThreads, 1)
    Prefill(const __grid_constant__ ptx::TensorMap q, const __grid_constant__ ptx::TensorMap kv,
            const __grid_constant__ Params p) {
  Shared<kD> shared;
  // 1. Barriers, before anyone waits on them.
  if (threadIdx.x == 0) {
    shared.InitBarriers();
    ptx::PrefetchTensorMap(&q);
    ptx::PrefetchTensorMap(&kv);
  }
  __syncthreads();
  // 2. Roles; the shuffle shows the compiler that a warp has one.
  const int role = __shfl_sync(0xffffffff, static_cast<int>(threadIdx.x) / 128, 0);
  if (role == 0) {
    ptx::KeepRegisters<40>();
    if (threadIdx.x < 32) Producer<kD>(shared, &q, &kv, p).Run();
  } else {
    ptx::TakeRegisters<232>();
    Consumer<kD>(shared, role - 1, p).Run();
  }
}

/// [T, H, D]; a box is a tile's rows, 64 elements wide.
ptx::TensorMap QueryMap(const ops::PagedAttentionParams& p) {
  const int32_t group = p.H / p.kv.G;
  return ptx::MakeTensorMap(
      {.base = p.q,
       .rank = 3,
       .extent = {static_cast<uint64_t>(p.kv.D), static_cast<uint64_t>(p.H),
                  static_cast<uint64_t>(p.batch.T)},
       .stride_bytes = {static_cast<uint64_t>(p.kv.D) * 2, static_cast<uint64_t>(p.q_stride) * 2},
       .box = {kColumn, static_cast<uint32_t>(group), static_cast<uint32_t>(TileTokens(group))},
       .swizzle = kSwizzle});
}

/// [blocks][K|V][G][P][D] of one layer; a box is a block of one KV head, 64 elements wide. How many
/// blocks there are is not known here: their ids come from block tables, and are right.
ptx::TensorMap KvMap(const ops::PagedKv& kv) {
  return ptx::MakeTensorMap(
      {.base = kv.base,
       .rank = 5,
       .extent = {static_cast<uint64_t>(kv.D), static_cast<uint64_t>(kv.P),
                  static_cast<uint64_t>(kv.G), 2, uint64_t{1} << 31},
       .stride_bytes = {static_cast<uint64_t>(kv.D) * 2, static_cast<uint64_t>(kv.P) * kv.D * 2,
                        static_cast<uint64_t>(kv.v_offset), static_cast<uint64_t>(kv.block_stride)},
       .box = {kColumn, static_cast<uint32_t>(kv.P), 1, 1, 1},
       .swizzle = kSwizzle});
}

Params ParamsOf(const ops::PagedAttentionParams& p, const std::byte* plan) {
  return {.begin = reinterpret_cast<const int32_t*>(plan),
          .kv_tokens = p.batch.kv_tokens,
          .block_tables = p.batch.block_tables,
          .table_stride = p.batch.table_stride,
          .v = reinterpret_cast<const __nv_bfloat16*>(p.kv.base + p.kv.v_offset),
          .block_stride = p.kv.block_stride / 2,
          .y = static_cast<__nv_bfloat16*>(p.y),
          .H = p.H,
          .group = p.H / p.kv.G,
          .P_log2 = std::countr_zero(static_cast<uint32_t>(p.kv.P)),
          .window = p.window,
          .softcap = p.softcap,
          .scale_log2 = p.softcap > 0 ? 1.0f : p.scale * kLog2E,
          .inner_scale = p.softcap > 0 ? p.scale / p.softcap : 0.0f};
}

template <int kD>
void Run(const ops::PagedAttentionParams& p, const std::byte* plan, int32_t workers,
         cudaStream_t stream) {
  Launch(Prefill<kD>, dim3(static_cast<unsigned>(workers)), dim3(kThreads), Tile<kD>::kSharedBytes,
         stream, QueryMap(p), KvMap(p.kv), ParamsOf(p, plan));
}

bool Multiple16(int64_t bytes) { return bytes % 16 == 0; }
bool Aligned16(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

}  // namespace
}  // namespace paged_prefill

bool TakesPrefill(const ops::PagedAttentionParams& p) {
  using paged_prefill::Aligned16;
  using paged_prefill::Multiple16;
  const ops::PagedKv& kv = p.kv;
  return p.activation == DType::kBFloat16 && kv.dtype == DType::kBFloat16 &&
         paged_prefill::TakesShape({.H = p.H, .G = kv.G, .D = kv.D, .P = kv.P}) && p.scale > 0 &&
         Multiple16(p.q_stride * 2) && Multiple16(kv.block_stride) && Multiple16(kv.v_offset) &&
         Aligned16(p.q) && Aligned16(p.y) && Aligned16(kv.base);
}

void PagedPrefill(const ops::PagedAttentionParams& p, const std::byte* plan, int32_t workers,
                  device::Stream& stream) {
  BATON_CHECK(TakesPrefill(p)) << "D " << p.kv.D << ", P " << p.kv.P << ", H " << p.H << ", G "
                               << p.kv.G;
  if (p.batch.T == 0) return;
  switch (p.kv.D) {
    case 64: return paged_prefill::Run<64>(p, plan, workers, NativeStream(stream));
    case 128: return paged_prefill::Run<128>(p, plan, workers, NativeStream(stream));
    default: return paged_prefill::Run<256>(p, plan, workers, NativeStream(stream));
  }
}

}  // namespace baton::kernels::cuda
