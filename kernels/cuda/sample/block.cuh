#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "ptx/kernel_order.h"
#include "sample/weight.cuh"

namespace baton::kernels::cuda {

inline constexpr uint32_t kFullWarp = 0xFFFFFFFFu;

/// What the threads of a block share to combine whole numbers; each call begins and ends with the
/// scratch free for another.
struct BlockScratch {
  uint64_t warps[32];
  uint64_t result;
};

__device__ inline uint64_t WarpSum(uint64_t value) {
  for (int lane = 16; lane > 0; lane /= 2) value += __shfl_xor_sync(kFullWarp, value, lane);
  return value;
}

__device__ inline uint64_t WarpMax(uint64_t value) {
  for (int lane = 16; lane > 0; lane /= 2) {
    const uint64_t other = __shfl_xor_sync(kFullWarp, value, lane);
    value = other > value ? other : value;
  }
  return value;
}

/// The sum of value in the lanes up to and with this one.
__device__ inline uint64_t WarpScan(uint64_t value) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int step = 1; step < 32; step *= 2) {
    const uint64_t below = __shfl_up_sync(kFullWarp, value, step);
    if (lane >= step) value += below;
  }
  return value;
}

/// The sum of `value` in the threads up to and with this one. REQUIRES: whole warps, all of them
/// here; so do the others.
template <int kThreads>
__device__ uint64_t BlockScan(uint64_t value, BlockScratch& scratch) {
  constexpr int kWarps = kThreads / 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const uint64_t inclusive = WarpScan(value);
  if (lane == 31) scratch.warps[warp] = inclusive;
  __syncthreads();  // Warps' sums are there.
  if (warp == 0) {
    const uint64_t sums = WarpScan(lane < kWarps ? scratch.warps[lane] : 0);
    __syncwarp();
    scratch.warps[lane] = sums;
  }
  __syncthreads();  // Their running sums are there.
  const uint64_t before = warp == 0 ? 0 : scratch.warps[warp - 1];
  __syncthreads();  // Nobody reads the scratch any more.
  return before + inclusive;
}

/// The sum in all threads, in each.
template <int kThreads>
__device__ uint64_t BlockSum(uint64_t value, BlockScratch& scratch) {
  constexpr int kWarps = kThreads / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  value = WarpSum(value);
  if (lane == 0) scratch.warps[threadIdx.x / 32] = value;
  __syncthreads();  // Warps' sums are there.
  value = WarpSum(lane < kWarps ? scratch.warps[lane] : 0);
  __syncthreads();  // Nobody reads the scratch any more.
  return value;
}

/// The largest in all threads, in each.
template <int kThreads>
__device__ uint64_t BlockMax(uint64_t value, BlockScratch& scratch) {
  constexpr int kWarps = kThreads / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  value = WarpMax(value);
  if (lane == 0) scratch.warps[threadIdx.x / 32] = value;
  __syncthreads();  // Warps' maxima are there.
  value = WarpMax(lane < kWarps ? scratch.warps[lane] : 0);
  __syncthreads();  // Nobody reads the scratch any more.
  return value;
}

/// Adds to a sum in shared memory. Lanes that all add to the same sum, as those of a row of equal
/// logits do, add once: atomics of 64 bits are retried for each lane that competes.
/// REQUIRES: all lanes of the warp are here; those with nothing to add pass bin -1.
__device__ inline void AddToBin(AtomicSum* sums, int bin, uint64_t value) {
  const int first = __shfl_sync(kFullWarp, bin, 0);
  if (__all_sync(kFullWarp, bin == first) != 0) {
    if (first < 0) return;
    value = WarpSum(value);
    if (threadIdx.x % 32 != 0) return;
  } else if (bin < 0) {
    return;
  }
  atomicAdd(sums + bin, static_cast<AtomicSum>(value));
}

/// Where a running sum reaches something.
struct Boundary {
  int bin;          ///< The first bin with which the sum reaches `need`; -1: none does.
  uint64_t before;  ///< The sum of the bins before it.
  uint64_t within;  ///< The bin's own.
};

/// The boundary in sums[0, bins) of shared memory, in every thread. REQUIRES: bins <= kThreads.
template <int kThreads>
__device__ Boundary FindBoundary(const AtomicSum* sums, int bins, uint64_t need, Boundary& shared,
                                 BlockScratch& scratch) {
  const int bin = static_cast<int>(threadIdx.x);
  const uint64_t within = bin < bins ? sums[bin] : 0;
  if (bin == 0) shared = {.bin = -1, .before = 0, .within = 0};
  const uint64_t reached = BlockScan<kThreads>(within, scratch);  // Orders the line above, too.
  if (reached - within < need && reached >= need) shared = {bin, reached - within, within};
  __syncthreads();  // The boundary is there.
  const Boundary found = shared;
  __syncthreads();  // Nobody reads it any more.
  return found;
}

}  // namespace baton::kernels::cuda
