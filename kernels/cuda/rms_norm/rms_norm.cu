#include <algorithm>

#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"
#include "ptx/kernel_order.h"
#include "shared_memory.h"

/// Two kernels: whole blocks for rows of the model's width, parts of a warp for rows of one head.
/// Which of them, and how the sum of squares is divided, follows from E alone, so that a row's bits
/// depend on nothing but its values.
namespace baton::kernels::cuda {
namespace {

constexpr int kMaxWarps = 32;

/// Operands as one row needs them.
struct Row {
  float* residual;         // [T, E] or null
  const __nv_bfloat16* x;  // [T, E] or null
  const __nv_bfloat16* w;  // [E]
  __nv_bfloat16* y;        // [T, E]; may be x
};

/// The W elements that are normalized: x, or the residual grown by x.
template <int W>
__device__ __forceinline__ void Take(const Row& row, int64_t at, float (&values)[W]) {
  if (row.residual == nullptr) return Load(row.x + at, values);
  Load(row.residual + at, values);
  if (row.x == nullptr) return;
  float grown[W];
  Load(row.x + at, grown);
#pragma unroll
  for (int i = 0; i < W; ++i) values[i] += grown[i];
  Store(values, row.residual + at);
}

template <int W>
__device__ __forceinline__ void Give(const Row& row, int64_t at, int64_t e, float inverse,
                                     float w_offset, float (&values)[W]) {
  float w[W];
  Load(row.w + e, w);
#pragma unroll
  for (int i = 0; i < W; ++i) values[i] = values[i] * inverse * (w[i] + w_offset);
  Store(values, row.y + at);
}

template <int W>
__device__ __forceinline__ float SquaresOf(const float (&values)[W], float sum) {
#pragma unroll
  for (int i = 0; i < W; ++i) sum = fmaf(values[i], values[i], sum);
  return sum;
}

/// Over the `lanes` neighbouring lanes that share a row; all of them get the same bits, because
/// addition commutes.
__device__ __forceinline__ float SumOfLanes(float sum, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, step);
  }
  return sum;
}

struct WarpSums {
  float sum[kMaxWarps];
};

/// Row blockIdx.x. A thread keeps its kVectors x W elements in registers, W of every blockDim.x *
/// W.
template <int W, int kVectors>
__global__ void __launch_bounds__(1024)
    NormWideRows(Row row, int64_t E, float eps, float w_offset) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int64_t first = blockIdx.x * E;
  const int64_t stride = int64_t{blockDim.x} * W;
  const int64_t begin = int64_t{threadIdx.x} * W;
  // 1. All loads of the row are under way at once.
  float values[kVectors][W] = {};
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int64_t e = begin + v * stride;
    if (e < E) Take(row, first + e, values[v]);
  }
  // 2. Each thread sums its squares, each warp its threads', thread by thread all the warps'.
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (begin + v * stride < E) sum = SquaresOf(values[v], sum);
  }
  sum = SumOfLanes(sum, 32);
  float* sums = StaticShared<WarpSums>().sum;
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();  // The sums of all warps are written.
  sum = 0;
  for (int warp = 0; warp < static_cast<int>(blockDim.x / 32); ++warp) sum += sums[warp];
  const float inverse = 1.0f / sqrtf(sum / static_cast<float>(E) + eps);
  // 3. From registers.
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int64_t e = begin + v * stride;
    if (e < E) Give(row, first + e, e, inverse, w_offset, values[v]);
  }
}

/// Rows of lanes * 8 elements, a power of two of lanes to each.
__global__ void __launch_bounds__(256)
    NormHeadRows(Row row, int64_t T, int lanes, float eps, float w_offset) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int64_t thread = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t t = thread / lanes;
  const int64_t e = thread % lanes * 8;
  const int64_t at = thread * 8;
  // Lanes beyond the last row take part in the shuffles of its warp.
  float values[8] = {};
  if (t < T) Take(row, at, values);
  const float sum = SumOfLanes(SquaresOf(values, 0.0f), lanes);
  const float inverse = 1.0f / sqrtf(sum / static_cast<float>(lanes * 8) + eps);
  if (t < T) Give(row, at, e, inverse, w_offset, values);
}

using WideKernel = void (*)(Row, int64_t, float, float);

template <int W>
WideKernel WideKernelFor(int64_t vectors) {
  if (vectors <= 1) return NormWideRows<W, 1>;
  if (vectors <= 2) return NormWideRows<W, 2>;
  if (vectors <= 4) return NormWideRows<W, 4>;
  BATON_CHECK(W == 1 && vectors <= 8) << "rows of more than 32768 elements, or 8192 at odd widths";
  return NormWideRows<1, 8>;
}

void NormWide(const ops::RmsNormParams& p, const Row& row, device::Stream& stream) {
  const int64_t W = p.E % 8 == 0 ? 8 : 1;
  const int64_t parts = (p.E + W - 1) / W;
  const int64_t threads = std::min<int64_t>(1024, (parts + 31) / 32 * 32);
  const int64_t vectors = (parts + threads - 1) / threads;
  LaunchEarly(W == 8 ? WideKernelFor<8>(vectors) : WideKernelFor<1>(vectors),
              dim3(static_cast<unsigned>(p.T)), dim3(static_cast<unsigned>(threads)), 0, stream,
              row, p.E, p.eps, p.w_offset);
}

void NormHeads(const ops::RmsNormParams& p, const Row& row, device::Stream& stream) {
  constexpr int kThreads = 256;
  const auto lanes = static_cast<int>(p.E / 8);
  const int64_t blocks = (p.T * lanes + kThreads - 1) / kThreads;
  LaunchEarly(NormHeadRows, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, stream, row,
              p.T, lanes, p.eps, p.w_offset);
}

}  // namespace

void RmsNorm(const ops::RmsNormParams& p, device::Stream& stream) {
  BATON_CHECK(p.activation == DType::kBFloat16) << "activations on the device are bfloat16";
  BATON_CHECK(p.w_dtype == DType::kBFloat16) << "weights on the device are bfloat16";
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.E > 0 && (p.residual != nullptr || p.x != nullptr) && p.w != nullptr &&
              p.y != nullptr);
  BATON_CHECK(p.E % 8 != 0 || (Fits16(p.residual) && Fits16(p.x) && Fits16(p.w) && Fits16(p.y)))
      << "rows of eights are aligned to 16 bytes";
  const Row row{.residual = p.residual,
                .x = static_cast<const __nv_bfloat16*>(p.x),
                .w = static_cast<const __nv_bfloat16*>(p.w),
                .y = static_cast<__nv_bfloat16*>(p.y)};
  const bool heads = p.E == 32 || p.E == 64 || p.E == 128 || p.E == 256;
  heads ? NormHeads(p, row, stream) : NormWide(p, row, stream);
}

}  // namespace baton::kernels::cuda
