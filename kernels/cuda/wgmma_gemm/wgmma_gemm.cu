#include <algorithm>
#include <type_traits>

#include <cuda_bf16.h>

#include "baton/base/check.h"
#include "launch.h"
#include "multiprocessors.h"
#include "ptx/elect.h"
#include "ptx/mbarrier.h"
#include "ptx/registers.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"
#include "ring.h"
#include "shared_memory.h"
#include "wgmma_gemm/tiles.h"
#include "wgmma_gemm/wgmma_gemm.h"

namespace baton::kernels::cuda {
namespace wgmma_gemm {
namespace {

constexpr int kStages = 4;
constexpr int kConsumers = 2;
constexpr int kThreads = 128 * (1 + kConsumers);
constexpr int kRowBytes = kTileK * 2;
constexpr int kABytes = kTileM * kRowBytes;
constexpr int kBBytes = kTileN * kRowBytes;
/// From 8 rows of a tile to the next 8.
constexpr uint32_t kGroupBytes = 8 * kRowBytes;
constexpr auto kSwizzle = ptx::Swizzle::k128;

struct Barriers {
  ptx::Mbarrier full[kStages];
  /// One arrival for each warp that read the stage.
  ptx::Mbarrier empty[kStages];
};

constexpr size_t kSharedBytes = kStages * (kABytes + kBBytes) + sizeof(Barriers);

struct Problem {
  int64_t M = 0;
  int64_t N = 0;
  int64_t K = 0;
  int64_t c_stride = 0;
  /// Whether two neighbours of c may be stored at once.
  bool pairs = false;
};

/// The block's shared memory: stages of A, stages of B, barriers.
struct Shared {
  unsigned char* a;
  unsigned char* b;
  Barriers* barriers;

  __device__ Shared()
      : a(DynamicShared()),
        b(a + kStages * kABytes),
        barriers(reinterpret_cast<Barriers*>(b + kStages * kBBytes)) {}
};

/// One thread: both tiles of every step of K, of every tile of this block.
__device__ void Produce(const Shared& shared, const ptx::TensorMap* a, const ptx::TensorMap* b,
                        const Problem& p) {
  const int tiles_m = Tiles(p.M, kTileM);
  const int tiles_n = Tiles(p.N, kTileN);
  const int steps = Tiles(p.K, kTileK);
  Ring<kStages> ring;
  for (int i = blockIdx.x; i < tiles_m * tiles_n; i += gridDim.x) {
    const Tile tile = TileAt(i, tiles_m, tiles_n);
    for (int step = 0; step < steps; ++step, ring.Next()) {
      // The consumers have read what lay here; of an untouched stage the round before is over.
      ptx::Wait(&shared.barriers->empty[ring.stage], ring.parity ^ 1);
      ptx::Mbarrier* full = &shared.barriers->full[ring.stage];
      ptx::ArriveAndExpect(full, kABytes + kBBytes);
      ptx::LoadBox(shared.a + ring.stage * kABytes, a, full, step * kTileK, tile.m * kTileM);
      ptx::LoadBox(shared.b + ring.stage * kBBytes, b, full, step * kTileK, tile.n * kTileN);
    }
  }
}

__device__ __forceinline__ void Store(float* to, float value) { *to = value; }
__device__ __forceinline__ void Store(__nv_bfloat16* to, float value) {
  *to = __float2bfloat16(value);
}
__device__ __forceinline__ void StorePair(float* to, float first, float second) {
  *reinterpret_cast<float2*>(to) = make_float2(first, second);
}
__device__ __forceinline__ void StorePair(__nv_bfloat16* to, float first, float second) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(first, second);
}

/// A thread's part of 64 rows: two rows, pairs of columns.
template <class Out>
__device__ void StoreTile(const float (&d)[kTileN / 2], Out* c, const Problem& p, int64_t first_row,
                          int64_t first_column) {
  const int lane = threadIdx.x % 32;
  const int64_t column = first_column + lane % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int64_t row = first_row + threadIdx.x % 128 / 32 * 16 + lane / 4 + half * 8;
    if (row >= p.M) continue;
    Out* to = c + row * p.c_stride;
#pragma unroll
    for (int j = 0; j < kTileN / 8; ++j) {
      const int64_t n = column + j * 8;
      const float first = d[4 * j + 2 * half];
      const float second = d[4 * j + 2 * half + 1];
      if (n + 1 < p.N && p.pairs) {
        StorePair(to + n, first, second);
      } else {
        if (n < p.N) Store(to + n, first);
        if (n + 1 < p.N) Store(to + n + 1, second);
      }
    }
  }
}

/// One of the warpgroups that compute: 64 rows of each tile.
template <class Out>
__device__ void Consume(const Shared& shared, int consumer, Out* c, const Problem& p) {
  const int tiles_m = Tiles(p.M, kTileM);
  const int tiles_n = Tiles(p.N, kTileN);
  const int steps = Tiles(p.K, kTileK);
  const bool signals = threadIdx.x % 32 == 0;
  const ptx::MatrixDescriptor a =
      ptx::AlongK(shared.a + consumer * 64 * kRowBytes, kGroupBytes, kSwizzle);
  const ptx::MatrixDescriptor b = ptx::AlongK(shared.b, kGroupBytes, kSwizzle);
  Ring<kStages> ring;
  for (int i = blockIdx.x; i < tiles_m * tiles_n; i += gridDim.x) {
    const Tile tile = TileAt(i, tiles_m, tiles_n);
    float d[kTileN / 2];
#pragma unroll
    for (float& value : d) value = 0;
    int read = -1;  // The stage of the step before, whose products may still be under way.
    for (int step = 0; step < steps; ++step, ring.Next()) {
      ptx::Wait(&shared.barriers->full[ring.stage], ring.parity);
      ptx::PinRegisters(d);
      ptx::FenceWgmma();
#pragma unroll
      for (int k = 0; k < kTileK / 16; ++k) {
        ptx::Wgmma<kTileN>::FromShared<false, true>(
            d, ptx::Advanced(a, ring.stage * kABytes + k * 32),
            ptx::Advanced(b, ring.stage * kBBytes + k * 32));
      }
      ptx::CommitWgmma();
      ptx::WaitWgmma<1>();
      if (signals && read >= 0) ptx::Arrive(&shared.barriers->empty[read]);
      read = ring.stage;
    }
    ptx::WaitWgmma<0>();
    ptx::PinRegisters(d);
    if (signals) ptx::Arrive(&shared.barriers->empty[read]);
    StoreTile(d, c, p, int64_t{tile.m} * kTileM + consumer * 64, int64_t{tile.n} * kTileN);
  }
}

template <class Out>
__global__ void __launch_bounds__(kThreads, 1)
    Gemm(const __grid_constant__ ptx::TensorMap a, const __grid_constant__ ptx::TensorMap b, Out* c,
         Problem p) {
  const Shared shared;
  // 1. Barriers, before anyone waits on them.
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      ptx::InitMbarrier(&shared.barriers->full[stage], 1);
      ptx::InitMbarrier(&shared.barriers->empty[stage], 4 * kConsumers);
    }
    ptx::FenceMbarrierInit();
    ptx::PrefetchTensorMap(&a);
    ptx::PrefetchTensorMap(&b);
  }
  __syncthreads();
  // 2. Roles; the shuffle shows the compiler that a warp has one.
  const int role = __shfl_sync(0xffffffff, static_cast<int>(threadIdx.x) / 128, 0);
  if (role == 0) {
    ptx::KeepRegisters<40>();
    if (threadIdx.x < 32 && ptx::ElectLane()) Produce(shared, &a, &b, p);
  } else {
    ptx::TakeRegisters<232>();
    Consume(shared, role - 1, c, p);
  }
}

ptx::TensorMap Rows(const void* base, int64_t rows, int64_t K, int64_t stride, int tile) {
  return ptx::MakeTensorMap({.base = base,
                             .rank = 2,
                             .extent = {static_cast<uint64_t>(K), static_cast<uint64_t>(rows)},
                             .stride_bytes = {static_cast<uint64_t>(stride) * 2},
                             .box = {kTileK, static_cast<uint32_t>(tile)},
                             .swizzle = kSwizzle});
}

template <class Out>
void Run(const WgmmaGemmParams& p, device::Stream& stream) {
  const auto address = reinterpret_cast<uintptr_t>(p.c);
  const Problem problem{
      .M = p.M,
      .N = p.N,
      .K = p.K,
      .c_stride = p.c_stride,
      .pairs = p.c_stride % 2 == 0 && address % (2 * sizeof(Out)) == 0,
  };
  const int tiles = Tiles(p.M, kTileM) * Tiles(p.N, kTileN);
  const auto blocks = static_cast<unsigned>(std::min(tiles, MultiprocessorsOf(stream)));
  Launch(Gemm<Out>, dim3(blocks), dim3(kThreads), kSharedBytes, NativeStream(stream),
         Rows(p.a, p.M, p.K, p.a_stride, kTileM), Rows(p.b, p.N, p.K, p.b_stride, kTileN),
         static_cast<Out*>(p.c), problem);
}

}  // namespace
}  // namespace wgmma_gemm

void WgmmaGemm(const WgmmaGemmParams& p, device::Stream& stream) {
  BATON_CHECK(p.c_dtype == DType::kBFloat16 || p.c_dtype == DType::kFloat32);
  BATON_CHECK(p.K > 0 && p.N > 0 && p.a_stride % 8 == 0 && p.b_stride % 8 == 0)
      << "K " << p.K << ", N " << p.N << ", strides " << p.a_stride << ", " << p.b_stride;
  BATON_CHECK(p.a_stride >= p.K && p.b_stride >= p.K && p.c_stride >= p.N);
  if (p.M == 0) return;
  if (p.c_dtype == DType::kFloat32) {
    wgmma_gemm::Run<float>(p, stream);
  } else {
    wgmma_gemm::Run<__nv_bfloat16>(p, stream);
  }
}

}  // namespace baton::kernels::cuda
