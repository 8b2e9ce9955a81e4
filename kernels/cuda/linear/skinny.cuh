#pragma once

#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "ptx/kernel_order.h"
#include "ptx/mma.h"
#include "shared_memory.h"

namespace baton::kernels::cuda {

struct SkinnyArgs {
  const __nv_bfloat16* x = nullptr;
  const __nv_bfloat16* w = nullptr;
  const __nv_bfloat16* bias = nullptr;
  void* y = nullptr;
  int64_t x_stride = 0;
  int64_t y_stride = 0;
  int32_t M = 0;
  int32_t N = 0;
  int32_t K = 0;
};

inline constexpr int kSkinnyWarps = 8;
inline constexpr int kSkinnyThreads = 32 * kSkinnyWarps;
/// Elements of K that a warp takes from each row in one 16-byte load per lane.
inline constexpr int kSkinnyStep = 32;
/// Steps whose loads are in flight together.
inline constexpr int kSkinnyUnroll = 4;

/// Eight elements of a row from k on; zeros from K on. kWide: one 16-byte load, which needs rows
/// aligned to it and K a multiple of 8.
template <bool kWide, bool kStreamed>
__device__ inline uint4 LoadEight(const __nv_bfloat16* row, int k, int K) {
  if (k >= K) return make_uint4(0, 0, 0, 0);
  if constexpr (kWide) {
    const auto* from = reinterpret_cast<const uint4*>(row + k);
    // Weights pass by once and should push nothing out of the caches.
    return kStreamed ? __ldcs(from) : __ldg(from);
  } else {
    const auto* from = reinterpret_cast<const uint16_t*>(row + k);
    uint32_t words[4];
    for (int i = 0; i < 4; ++i) {
      const uint32_t low = k + 2 * i < K ? from[2 * i] : 0;
      const uint32_t high = k + 2 * i + 1 < K ? from[2 * i + 1] : 0;
      words[i] = low | high << 16;
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
  }
}

/// What a warp loads for kSkinnyUnroll steps. Lane 4 g + t holds, from rows g and g + 8 of each
/// tile of w and from row g of x, the eight elements at 8 t of each step. Two m16n8k16 instructions
/// take them four by four: K is summed in an order of its own, the same for w and x.
template <int kTiles>
struct SkinnyStage {
  uint4 w[kSkinnyUnroll][kTiles][2];
  uint4 x[kSkinnyUnroll];
};

template <int kTiles>
struct SkinnyShared {
  float partial[kSkinnyWarps][kTiles * 16][8];
};

/// The K element at which a step of this warp's begins.
__device__ inline int SkinnyBegin(int stage, int step) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  return ((stage * kSkinnyUnroll + step) * kSkinnyWarps + warp) * kSkinnyStep;
}

template <int kTiles, bool kWide>
__device__ void LoadWeights(const SkinnyArgs& args, int stage, SkinnyStage<kTiles>& loaded) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(blockIdx.x) * kTiles * 16 + lane / 4;
#pragma unroll
  for (int step = 0; step < kSkinnyUnroll; ++step) {
    const int k = SkinnyBegin(stage, step) + lane % 4 * 8;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int n = first + tile * 16 + half * 8;
        // Rows beyond the last are not stored: any will do.
        const int64_t row = n < args.N ? n : args.N - 1;
        loaded.w[step][tile][half] = LoadEight<kWide, true>(args.w + row * args.K, k, args.K);
      }
    }
  }
}

template <int kTiles, bool kWide>
__device__ void LoadInputs(const SkinnyArgs& args, int stage, SkinnyStage<kTiles>& loaded) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int m = lane / 4;
#pragma unroll
  for (int step = 0; step < kSkinnyUnroll; ++step) {
    const int k = SkinnyBegin(stage, step) + lane % 4 * 8;
    loaded.x[step] = m < args.M ? LoadEight<kWide, false>(args.x + m * args.x_stride, k, args.K)
                                : make_uint4(0, 0, 0, 0);
  }
}

template <int kTiles>
__device__ void Multiply(const SkinnyStage<kTiles>& loaded, float (&sums)[kTiles][4]) {
#pragma unroll
  for (int step = 0; step < kSkinnyUnroll; ++step) {
    const uint4& x = loaded.x[step];
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      const uint4& upper = loaded.w[step][tile][0];
      const uint4& lower = loaded.w[step][tile][1];
      ptx::MmaBf16(sums[tile], {upper.x, lower.x, upper.y, lower.y}, {x.x, x.y});
      ptx::MmaBf16(sums[tile], {upper.z, lower.z, upper.w, lower.w}, {x.z, x.w});
    }
  }
}

__device__ inline void Store(float value, __nv_bfloat16* to) { *to = __float2bfloat16_rn(value); }
__device__ inline void Store(float value, float* to) { *to = value; }

/// Grid: columns of y, kTiles * 16 at a time. The warps of a block share K: steps in turn, and
/// their sums are added in the order of warps. y is written once.
template <int kTiles, bool kWide, typename Y>
__global__ void __launch_bounds__(kSkinnyThreads, kTiles == 1 ? 2 : 1)
    SkinnyColumns(SkinnyArgs args) {
  constexpr int kColumns = kTiles * 16;
  SkinnyShared<kTiles>& shared = StaticShared<SkinnyShared<kTiles>>();
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  constexpr int kStageK = kSkinnyUnroll * kSkinnyWarps * kSkinnyStep;
  const int stages = (args.K + kStageK - 1) / kStageK;

  ptx::LetNextBegin();
  // 1. This warp's part of K, the next stage's weights in flight while one is multiplied. The first
  // weights are loaded before the kernel before, which writes x, has ended.
  float sums[kTiles][4] = {};
  SkinnyStage<kTiles> stage;
  LoadWeights<kTiles, kWide>(args, 0, stage);
  ptx::AwaitKernelsBefore();
  LoadInputs<kTiles, kWide>(args, 0, stage);
  for (int i = 0; i + 1 < stages; ++i) {
    SkinnyStage<kTiles> next;
    LoadWeights<kTiles, kWide>(args, i + 1, next);
    LoadInputs<kTiles, kWide>(args, i + 1, next);
    Multiply<kTiles>(stage, sums);
    stage = next;
  }
  Multiply<kTiles>(stage, sums);

  // 2. Lane 4 g + t has columns g and g + 8 of each tile, for rows 2 t and 2 t + 1 of x.
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      shared.partial[warp][tile * 16 + lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] = sums[tile][i];
    }
  }
  __syncthreads();  // All parts are there.

  // 3. Neighbouring threads store neighbouring columns.
  const int column = static_cast<int>(threadIdx.x) % kColumns;
  const int n = static_cast<int>(blockIdx.x) * kColumns + column;
  if (n >= args.N) return;
  for (int m = static_cast<int>(threadIdx.x) / kColumns; m < args.M;
       m += kSkinnyThreads / kColumns) {
    float sum = 0;
#pragma unroll
    for (int part = 0; part < kSkinnyWarps; ++part) sum += shared.partial[part][column][m];
    if (args.bias != nullptr) sum += __bfloat162float(args.bias[n]);
    Store(sum, static_cast<Y*>(args.y) + m * args.y_stride + n);
  }
}

}  // namespace baton::kernels::cuda
