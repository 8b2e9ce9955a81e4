#include <algorithm>
#include <bit>

#include "attend.cuh"
#include "baton/base/check.h"
#include "baton/base/units.h"
#include "elements.h"
#include "launch.h"
#include "multiprocessors.h"
#include "operations.h"
#include "paged_attention/plan.h"
#include "ptx/kernel_order.h"
#include "shared_memory.h"

namespace baton::kernels::cuda {
namespace paged_attention {
namespace {

template <class T>
__device__ const T* ListAt(const Operands& o, int32_t at) {
  return reinterpret_cast<const T*>(o.plan + at);
}

/// Items blockIdx.x, blockIdx.x + gridDim.x, ... of the plan: of one warp the narrow, of four the
/// wide ones, of which two fit a multiprocessor: for the sake of three, registers would be spilled.
template <int D, int kWarps>
__global__ void __launch_bounds__(kWarps * 32, kWarps == 1 ? 1 : 2) AttendItems(Operands o) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const Header& header = *ListAt<Header>(o, 0);
  const bool narrow = kWarps == 1;
  const int count = narrow ? header.narrow_items : header.wide_items;
  const Item* items = ListAt<Item>(o, narrow ? header.narrow_at : header.wide_at);
  for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
    const Item item = items[i];
    ItemWalk<D, kWarps>(o, item, DynamicShared()).Run();
  }
}

constexpr int kMergeThreads = 128;

/// A row for each warp of the block, its parts one after the other.
template <int D>
__global__ void __launch_bounds__(kMergeThreads) MergeSplits(Operands o) {
  constexpr int kPerLane = D / 32;
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const Header& header = *ListAt<Header>(o, 0);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int i = static_cast<int>(blockIdx.x); i < header.merges; i += static_cast<int>(gridDim.x)) {
    const Merge merge = ListAt<Merge>(o, header.merges_at)[i];
    for (int row = static_cast<int>(threadIdx.x) / 32; row < merge.rows;
         row += kMergeThreads / 32) {
      float largest = -CUDART_INF_F;
      float sum = 0;
      float total[kPerLane] = {};
      // Loads of four parts under way at a time; they are folded in order all the same.
#pragma unroll 4
      for (int part = 0; part < merge.parts; ++part) {
        const float* partial = reinterpret_cast<const float*>(o.scratch) +
                               (merge.partial + part * merge.rows + row) * PartialFloats(D);
        const Weights weights = WeightsOf(largest, partial[D]);
        largest = weights.largest;
        sum = Fold(sum, partial[D + 1], weights);
#pragma unroll
        for (int k = 0; k < kPerLane; ++k) {
          total[k] = Fold(total[k], partial[k * 32 + lane], weights);
        }
      }
      const int packed = merge.first + row;
      const int head = merge.kv_head * o.group + packed % o.group;
      __nv_bfloat16* y = o.y + (int64_t{merge.step_row + packed / o.group} * o.H + head) * D + lane;
      const float inverse = 1.0f / sum;
#pragma unroll
      for (int k = 0; k < kPerLane; ++k) y[k * 32] = __float2bfloat16(total[k] * inverse);
    }
  }
}

/// Blocks that one multiprocessor holds.
constexpr int kSharedOfMultiprocessor = 227 * 1024;

template <int D, int kWarps>
void LaunchItems(const Operands& operands, int64_t most_items, device::Stream& stream) {
  constexpr int kBytes = Layout<D, kWarps>::kBytes;
  static_assert(kBytes <= kSharedOfMultiprocessor);
  const int64_t resident =
      int64_t{MultiprocessorsOf(stream)} * (kSharedOfMultiprocessor / (kBytes + 1024));
  const auto blocks = static_cast<unsigned>(std::min(most_items, std::max<int64_t>(resident, 1)));
  LaunchEarly(AttendItems<D, kWarps>, dim3(blocks), dim3(kWarps * 32), kBytes, stream, operands);
}

template <int D>
void Attend(const ops::PagedAttentionParams& p, const Operands& operands, int32_t most_tokens,
            device::Stream& stream) {
  // 1. How many items there can be follows from sizes that a graph keeps.
  const ops::PagedBatch& batch = p.batch;
  const int64_t tokens = batch.table_stride * p.kv.P;
  const int64_t splits = CeilDiv<int64_t>(tokens, kSplitPositions);
  const int64_t heads = int64_t{batch.S} * p.kv.G;
  // 2. Narrow rows, wide ones where there can be any, merges where a row can have two splits.
  LaunchItems<D, 1>(operands, heads + std::min<int64_t>(heads * (splits - 1), kMaxPartials),
                    stream);
  const int64_t wide = MostWide(batch, p.H, p.kv.G, most_tokens);
  if (wide > 0) LaunchItems<D, kWideRows / kWarpRows>(operands, wide, stream);
  if (splits > 1) {
    const auto blocks = static_cast<unsigned>(
        std::min<int64_t>({heads, kMaxPartials / 2, int64_t{MultiprocessorsOf(stream)} * 16}));
    LaunchEarly(MergeSplits<D>, dim3(blocks), dim3(kMergeThreads), 0, stream, operands);
  }
}

}  // namespace
}  // namespace paged_attention

void PagedAttention(const ops::PagedAttentionParams& p, device::Stream& stream) {
  PagedAttentionOf(p, paged_attention::kAnyTokens, stream);
}

void PagedAttentionOf(const ops::PagedAttentionParams& p, int32_t most_tokens,
                      device::Stream& stream) {
  using namespace paged_attention;
  BATON_CHECK(p.activation == DType::kBFloat16) << "activations on the device are bfloat16";
  BATON_CHECK(p.kv.dtype == DType::kBFloat16) << "the cache on the device is bfloat16";
  if (p.batch.T == 0) return;
  BATON_CHECK(p.H > 0 && p.H % p.kv.G == 0 && p.scale > 0 && p.window >= 0 && p.softcap >= 0);
  BATON_CHECK(std::has_single_bit(static_cast<unsigned>(p.kv.P))) << "block tokens " << p.kv.P;
  BATON_CHECK(p.batch.plan != nullptr && p.batch.scratch != nullptr);
  BATON_CHECK(Fits16(p.q) && Fits16(p.y) && p.q_stride % 8 == 0 && Fits16(p.kv.base) &&
              Fits16(p.kv.block_stride) && Fits16(p.kv.v_offset));
  const Operands operands{
      .q = static_cast<const __nv_bfloat16*>(p.q),
      .y = static_cast<__nv_bfloat16*>(p.y),
      .q_stride = p.q_stride,
      .H = p.H,
      .group = p.H / p.kv.G,
      .scale = p.scale,
      .softcap = p.softcap,
      .window = p.window,
      .block_tables = p.batch.block_tables,
      .table_stride = p.batch.table_stride,
      .cache = p.kv.base,
      .block_stride = p.kv.block_stride,
      .v_offset = p.kv.v_offset,
      .block_shift = std::countr_zero(static_cast<unsigned>(p.kv.P)),
      .plan = p.batch.plan,
      .scratch = p.batch.scratch,
  };
  switch (p.kv.D) {
    case 32: return Attend<32>(p, operands, most_tokens, stream);
    case 64: return Attend<64>(p, operands, most_tokens, stream);
    case 96: return Attend<96>(p, operands, most_tokens, stream);
    case 128: return Attend<128>(p, operands, most_tokens, stream);
    case 256: return Attend<256>(p, operands, most_tokens, stream);
    default: break;
  }
  BATON_CHECK(false) << "no attention on the device for heads of " << p.kv.D
                     << "; there is for 32, 64, 96, 128 and 256";
}

}  // namespace baton::kernels::cuda
