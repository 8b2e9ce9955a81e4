#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"
#include "peer_sum/plan.h"
#include "ptx/peer_flag.h"

namespace baton::kernels::cuda {
namespace peer_sum {
namespace {

struct Operands {
  std::byte* x = nullptr;  // [ranks here, units]
  int64_t units = 0;
  int64_t block_units = 0;
  int rank = 0;
  std::byte* workspaces[ops::kMostPeers] = {};
  const uint32_t* ended = nullptr;
};

/// In a workspace, the last sum for which that block of rank `of` has left its slice.
__device__ __forceinline__ uint32_t* Arrived(std::byte* workspace, int of, int block) {
  return reinterpret_cast<uint32_t*>(workspace + kArrivedAt) + of * kMostBlocks + block;
}

/// An element type's sum, rounded to the type.
__device__ __forceinline__ float Rounded(float sum, float) { return sum; }
__device__ __forceinline__ float Rounded(float sum, __nv_bfloat16) {
  return __bfloat162float(__float2bfloat16(sum));
}

/// The unit that is the ranks' sum: pairs at distance 1, then pairs of these, and so on.
template <class T, int kRanks>
__device__ __forceinline__ uint4 SumOf(const uint4 (&units)[kRanks]) {
  constexpr int kElements = kUnitBytes / static_cast<int>(sizeof(T));
  float values[kRanks][kElements];
#pragma unroll
  for (int r = 0; r < kRanks; ++r) Load(reinterpret_cast<const T*>(&units[r]), values[r]);
#pragma unroll
  for (int distance = 1; distance < kRanks; distance *= 2) {
#pragma unroll
    for (int r = 0; r < kRanks; r += 2 * distance) {
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        values[r][i] = Rounded(values[r][i] + values[r + distance][i], T{});
      }
    }
  }
  uint4 sum;
  Store(values[0], reinterpret_cast<T*>(&sum));
  return sum;
}

/// Slice blockIdx.x of rank o.rank + blockIdx.y.
template <class T, int kRanks>
__global__ void __launch_bounds__(kThreads, 1) SumOverPeers(const __grid_constant__ Operands o) {
  const int block = static_cast<int>(blockIdx.x);
  const int rank = o.rank + static_cast<int>(blockIdx.y);
  const int thread = static_cast<int>(threadIdx.x);
  std::byte* const own = o.workspaces[rank];
  uint32_t* const sums = reinterpret_cast<uint32_t*>(own + kSumsAt) + block;
  const uint32_t sum = *sums + 1;
  const size_t slice_at =
      kSlicesAt + static_cast<size_t>(2 * block + static_cast<int>(sum % 2)) * kMostSliceBytes;
  const int64_t begin = block * o.block_units;
  const int64_t left = o.units - begin;
  const int count = static_cast<int>(left < o.block_units ? left : o.block_units);
  uint4* const x = reinterpret_cast<uint4*>(o.x) + blockIdx.y * o.units + begin;
  // 1. Leave this rank's slice for the others.
  uint4* const mine = reinterpret_cast<uint4*>(own + slice_at);
  for (int i = thread; i < count; i += kThreads) mine[i] = x[i];
  __syncthreads();  // The slice is whole, and all have read how many sums there were.
  // 2. Tell each of it, and wait for theirs.
  if (thread < kRanks) {
    ptx::RaiseFlag(Arrived(o.workspaces[thread], rank, block), sum);
    ptx::AwaitFlag(Arrived(own, thread, block), sum, o.ended);
  }
  __syncthreads();  // All slices are there.
  // 3. Add them up; loads of all ranks are under way at once.
#pragma unroll 1
  for (int i = thread; i < count; i += kThreads) {
    uint4 units[kRanks];
#pragma unroll
    for (int r = 0; r < kRanks; ++r) {
      units[r] = reinterpret_cast<const uint4*>(o.workspaces[r] + slice_at)[i];
    }
    x[i] = SumOf<T, kRanks>(units);
  }
  if (thread == 0) *sums = sum;
}

template <class T>
void SumOf(const ops::PeerSumParams& p, const Operands& operands, dim3 grid, cudaStream_t stream) {
  const dim3 block(kThreads);
  switch (p.ranks) {
    case 2: return LaunchTogether(SumOverPeers<T, 2>, grid, block, stream, operands);
    case 4: return LaunchTogether(SumOverPeers<T, 4>, grid, block, stream, operands);
    case 8: return LaunchTogether(SumOverPeers<T, 8>, grid, block, stream, operands);
    default: break;
  }
  BATON_CHECK(false) << "no sum over the memory of " << p.ranks << " peers; there is for 2, 4, 8";
}

}  // namespace
}  // namespace peer_sum

void PeerSum(const ops::PeerSumParams& p, device::Stream& stream) {
  using namespace peer_sum;
  BATON_CHECK(p.dtype == DType::kFloat32 || p.dtype == DType::kBFloat16);
  const int64_t bytes = p.count * static_cast<int64_t>(DTypeBytes(p.dtype));
  BATON_CHECK(bytes > 0 && bytes <= kMostBytes && Fits16(bytes) && Fits16(p.x));
  BATON_CHECK(p.rank >= 0 && p.ranks_here >= 1 && p.rank + p.ranks_here <= p.ranks);
  BATON_CHECK(p.ended != nullptr);
  const Division division = Divide(bytes);
  Operands operands{.x = static_cast<std::byte*>(p.x),
                    .units = bytes / kUnitBytes,
                    .block_units = division.block_units,
                    .rank = p.rank,
                    .ended = p.ended};
  for (int32_t r = 0; r < p.ranks; ++r) {
    operands.workspaces[r] = p.workspaces[static_cast<size_t>(r)];
    BATON_CHECK(operands.workspaces[r] != nullptr);
  }
  const dim3 grid(static_cast<unsigned>(division.blocks), static_cast<unsigned>(p.ranks_here));
  if (p.dtype == DType::kFloat32) return SumOf<float>(p, operands, grid, NativeStream(stream));
  SumOf<__nv_bfloat16>(p, operands, grid, NativeStream(stream));
}

}  // namespace baton::kernels::cuda
