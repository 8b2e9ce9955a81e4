#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "baton/ops/sample.h"
#include "sample/block.cuh"
#include "sample/plan.h"
#include "sample/weight.cuh"
#include "shared_memory.h"

/// Draws a token for each row of logits; the contract is ops::Sample's.
///
/// Formula: weights w = 2^44 exp((x - max) / temperature), cut to whole numbers (weight.cuh). What
/// top_k, top_p and min_p keep is a beginning of the tokens by Order(); the token drawn is the
/// first in the order of ids at which the kept weights add up to more than uniform * their sum.
/// Shapes: logits [R, V], contiguous; V <= 2^19. Types: logits float32.
/// Errors: none on the device; PlanSample checks. Stream: enqueues only, allocates nothing; which
/// kernels are launched depends on SampleStages and R alone, so that a graph can be captured.
/// Cost: 4 V R bytes read for each of: the largest; with top_k or top_p the bins, and once for each
/// of these the bin where it cuts; the kept sums. With log-probabilities three more.
/// Accuracy: whole numbers are summed exactly, in any order. A token differs from that of exact
/// arithmetic only where u * sum, top_p * sum or min_p lies within 2^-21 of the sum of kept weights
/// from where the choice changes.
/// Source: the selection is a radix selection over bins of logits, then over their bits; inverse
/// transform sampling as in Devroye, "Non-Uniform Random Variate Generation", 1986, III.2.
namespace baton::kernels::cuda {

inline constexpr int kSampleChunk = 4096;  ///< Logits that one block takes.
inline constexpr int kChunkThreads = 256;
inline constexpr int kBinChunk = 8192;  ///< Sums of that many 13-bit pieces fit 32 bits.
inline constexpr int kBinThreads = 512;
inline constexpr int kCutThreads = 1024;
/// Tokens of one bin that are kept in shared memory; more are looked for in the row each time.
inline constexpr int kCutList = 3072;

/// Memory of the device that the kernels pass results to each other through.
struct SampleScratch {
  uint64_t* largest = nullptr;       ///< [R, chunks]: Order() of each chunk's likeliest.
  uint64_t* kept = nullptr;          ///< [R, chunks]: weights that are left.
  AtomicSum* bin_weights = nullptr;  ///< [R, kSampleBins].
  uint32_t* bin_counts = nullptr;    ///< [R, kSampleBins].
  uint64_t* cutoff = nullptr;        ///< [R]: Order() of the last token that top_k and top_p leave.
  double* log_sum = nullptr;         ///< [R]: log of the sum of exp of logits, before adjustments.
  uint32_t* above = nullptr;         ///< [R]: logits larger than the given token's.
  float* given_logit = nullptr;      ///< [R].
};

struct SampleArgs {
  float* logits = nullptr;
  std::byte* plan = nullptr;
  SampleScratch scratch;
  ops::SampledToken* out = nullptr;
  ops::SampledToken* top = nullptr;
  TokenId* tokens = nullptr;
  int64_t top_stride = 0;
  int32_t V = 0;
  int32_t chunks = 0;
};

/// Calls fn(token, logit) for tokens [begin, end) of a row, all threads of the block equally often:
/// those that find none pass token -1 and NaN. 16-byte loads, four in flight, where rows are
/// aligned to them.
template <int kThreads, typename Fn>
__device__ void ForEachLogit(const float* row, int begin, int end, bool aligned, Fn&& fn) {
  constexpr int kLoads = 4;
  const float nan = std::bit_cast<float>(0x7FC00000u);
  const int thread = static_cast<int>(threadIdx.x);
  for (int base = begin; base < end; base += 4 * kLoads * kThreads) {
    if (aligned) {
      float4 loaded[kLoads];
#pragma unroll
      for (int load = 0; load < kLoads; ++load) {
        const int i = base + 4 * (load * kThreads + thread);
        loaded[load] =
            i < end ? *reinterpret_cast<const float4*>(row + i) : make_float4(nan, nan, nan, nan);
      }
#pragma unroll
      for (int load = 0; load < kLoads; ++load) {
        const int i = base + 4 * (load * kThreads + thread);
        const bool inside = i < end;
        fn(inside ? i : -1, loaded[load].x);
        fn(inside ? i + 1 : -1, loaded[load].y);
        fn(inside ? i + 2 : -1, loaded[load].z);
        fn(inside ? i + 3 : -1, loaded[load].w);
      }
    } else {
      for (int load = 0; load < 4 * kLoads; ++load) {
        const int i = base + load * kThreads + thread;
        fn(i < end ? i : -1, i < end ? row[i] : nan);
      }
    }
  }
}

__device__ inline bool RowsAligned(const SampleArgs& args) {
  return args.V % 4 == 0 && reinterpret_cast<uintptr_t>(args.logits) % 16 == 0;
}

__device__ inline const PlannedRow& RowOf(const SampleArgs& args, int r) {
  return reinterpret_cast<const PlannedRow*>(args.plan)[r];
}

__device__ inline Adjustment* AdjustmentsOf(const SampleArgs& args, const PlannedRow& row) {
  return reinterpret_cast<Adjustment*>(args.plan + row.adjustments_begin);
}

/// Whether a kernel has anything to do for a row: kRaw is the pass over the logits as the model
/// gave them, for log-probabilities.
template <bool kRaw>
__device__ bool Takes(const PlannedRow& row) {
  return kRaw ? row.logprobs >= 0 : row.given < 0;
}

/// The row's likeliest over its chunks, in every thread; 0 where no logit is finite.
template <int kThreads>
__device__ uint64_t LargestOf(const SampleArgs& args, int r, BlockScratch& scratch) {
  uint64_t largest = 0;
  for (int chunk = static_cast<int>(threadIdx.x); chunk < args.chunks; chunk += kThreads) {
    const uint64_t other = args.scratch.largest[int64_t{r} * args.chunks + chunk];
    largest = other > largest ? other : largest;
  }
  return BlockMax<kThreads>(largest, scratch);
}

/// Biases, bans and penalties. Grid: rows. Keeps what the logits were.
__global__ void __launch_bounds__(kChunkThreads) AdjustLogits(SampleArgs args) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int r = static_cast<int>(blockIdx.x);
  const PlannedRow& row = RowOf(args, r);
  float* logits = args.logits + int64_t{r} * args.V;
  Adjustment* adjustments = AdjustmentsOf(args, row);
  for (uint32_t i = threadIdx.x; i < row.adjustments; i += kChunkThreads) {
    const Adjustment adjustment = adjustments[i];
    float logit = logits[adjustment.token];
    adjustments[i].before = logit;
    if (!IsFinite(logit)) continue;  // Never drawn, whatever its bias.
    logit += adjustment.bias;
    if ((adjustment.flags & Adjustment::kBanned) != 0) logit = -INFINITY;
    if ((adjustment.flags & Adjustment::kRepeated) != 0 && row.repetition_penalty != 1) {
      logit =
          logit > 0 ? logit / row.repetition_penalty : fmaf(logit, row.repetition_penalty, 0.0f);
    }
    if (adjustment.output_count > 0) {
      // Rounded after each step, as on the host: the 0 keeps the product from being fused.
      logit -= fmaf(static_cast<float>(adjustment.output_count), row.frequency_penalty, 0.0f);
      logit -= row.presence_penalty;
    }
    logits[adjustment.token] = logit;
  }
}

/// The likeliest of each chunk; takes out what the mask does not allow. Grid: chunks, rows.
template <bool kRaw>
__global__ void __launch_bounds__(kChunkThreads) FindLargest(SampleArgs args) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  BlockScratch& scratch = StaticShared<BlockScratch>();
  const int chunk = static_cast<int>(blockIdx.x);
  const int r = static_cast<int>(blockIdx.y);
  const PlannedRow& row = RowOf(args, r);
  if (!Takes<kRaw>(row)) return;
  float* logits = args.logits + int64_t{r} * args.V;
  const int begin = chunk * kSampleChunk;
  const int end = min(begin + kSampleChunk, args.V);

  // 1. The bins of the row, for the next kernel: each block empties its part.
  if (kRaw || row.cuts != 0) {
    const int64_t bins = int64_t{r} * kSampleBins;
    const int step = args.chunks * kChunkThreads;
    for (int i = chunk * kChunkThreads + static_cast<int>(threadIdx.x); i < kSampleBins;
         i += step) {
      args.scratch.bin_weights[bins + i] = 0;
      args.scratch.bin_counts[bins + i] = 0;
    }
  }
  if (kRaw && chunk == 0 && threadIdx.x == 0) {
    args.scratch.above[r] = 0;
    if (row.given >= 0) args.scratch.given_logit[r] = logits[row.given];
  }

  // 2. The likeliest.
  const uint32_t* mask = !kRaw && row.mask_begin > 0
                             ? reinterpret_cast<const uint32_t*>(args.plan + row.mask_begin)
                             : nullptr;
  uint64_t largest = 0;
  ForEachLogit<kChunkThreads>(logits, begin, end, RowsAligned(args), [&](int token, float logit) {
    if (mask != nullptr && token >= 0 && (mask[token / 32] >> (token % 32) & 1) == 0) {
      logits[token] = -INFINITY;
      return;
    }
    const uint64_t order = Order(logit, token);
    largest = order > largest ? order : largest;
  });
  largest = BlockMax<kChunkThreads>(largest, scratch);
  if (threadIdx.x == 0) args.scratch.largest[int64_t{r} * args.chunks + chunk] = largest;
}

struct BinShared {
  BlockScratch scratch;
  uint32_t counts[kSampleBins];
  uint32_t low[kSampleBins];   ///< The lower pieces of weights.
  uint32_t high[kSampleBins];  ///< The upper.
};

/// Weights and numbers of tokens by bins. Grid: chunks of kBinChunk, rows.
template <bool kRaw>
__global__ void __launch_bounds__(kBinThreads) FillBins(SampleArgs args) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  BinShared& shared = StaticShared<BinShared>();
  const int r = static_cast<int>(blockIdx.y);
  const PlannedRow& row = RowOf(args, r);
  if (!Takes<kRaw>(row) || (!kRaw && row.cuts == 0)) return;
  const uint64_t order = LargestOf<kBinThreads>(args, r, shared.scratch);
  if (order == 0) return;
  const float largest = LogitOf(order);
  const double octaves_per_logit = kRaw ? kLog2E : row.octaves_per_logit;
  const bool ranks = kRaw && row.given >= 0;
  const float given = ranks ? args.scratch.given_logit[r] : 0;

  // 1. Empty bins of the block's own.
  for (int i = static_cast<int>(threadIdx.x); i < kSampleBins; i += kBinThreads) {
    shared.counts[i] = shared.low[i] = shared.high[i] = 0;
  }
  __syncthreads();  // Bins are empty.

  // 2. Its logits. Weights are added as two pieces of 13 bits, for which there are atomics.
  uint32_t tail = 0;
  uint32_t above = 0;
  const int begin = static_cast<int>(blockIdx.x) * kBinChunk;
  const int end = min(begin + kBinChunk, args.V);
  const float* logits = args.logits + int64_t{r} * args.V;
  ForEachLogit<kBinThreads>(logits, begin, end, RowsAligned(args), [&](int, float logit) {
    if (!IsFinite(logit)) return;
    if (ranks && logit > given) ++above;
    const double octaves = Octaves(logit, largest, octaves_per_logit);
    const int bin = BinOf(octaves);
    if (bin == kTailBin) {
      ++tail;
      return;
    }
    const uint32_t weight = static_cast<uint32_t>(WeightOf(octaves) >> BinShift(bin));
    atomicAdd(&shared.counts[bin], 1u);
    atomicAdd(&shared.low[bin], weight & 0x1FFFu);
    atomicAdd(&shared.high[bin], weight >> 13);
  });
  const uint64_t both = BlockSum<kBinThreads>(uint64_t{tail} << 32 | above, shared.scratch);
  __syncthreads();  // Bins are full.

  // 3. To the row's.
  const int64_t bins = int64_t{r} * kSampleBins;
  for (int i = static_cast<int>(threadIdx.x); i < kTailBin; i += kBinThreads) {
    if (shared.counts[i] == 0) continue;
    const AtomicSum weight = ((uint64_t{shared.high[i]} << 13) + shared.low[i]) << BinShift(i);
    atomicAdd(&args.scratch.bin_counts[bins + i], shared.counts[i]);
    atomicAdd(&args.scratch.bin_weights[bins + i], weight);
  }
  if (threadIdx.x != 0) return;
  if (both >> 32 != 0) {
    atomicAdd(&args.scratch.bin_counts[bins + kTailBin], static_cast<uint32_t>(both >> 32));
  }
  if (ranks) atomicAdd(&args.scratch.above[r], static_cast<uint32_t>(both));
}

/// Weights of what is left, by chunk. Grid: chunks, rows.
__global__ void __launch_bounds__(kChunkThreads) SumKept(SampleArgs args) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  BlockScratch& scratch = StaticShared<BlockScratch>();
  const int chunk = static_cast<int>(blockIdx.x);
  const int r = static_cast<int>(blockIdx.y);
  const PlannedRow& row = RowOf(args, r);
  if (row.given >= 0 || row.octaves_per_logit == 0) return;
  const uint64_t order = LargestOf<kChunkThreads>(args, r, scratch);
  if (order == 0) return;
  const float largest = LogitOf(order);
  const uint64_t cutoff = row.cuts != 0 ? args.scratch.cutoff[r] : 1;
  const int begin = chunk * kSampleChunk;
  const int end = min(begin + kSampleChunk, args.V);
  const float* logits = args.logits + int64_t{r} * args.V;
  uint64_t kept = 0;
  ForEachLogit<kChunkThreads>(logits, begin, end, RowsAligned(args), [&](int token, float logit) {
    if (Order(logit, token) < cutoff) return;
    const uint64_t weight = WeightOf(Octaves(logit, largest, row.octaves_per_logit));
    if (weight >= row.least_weight) kept += weight;
  });
  kept = BlockSum<kChunkThreads>(kept, scratch);
  if (threadIdx.x == 0) args.scratch.kept[int64_t{r} * args.chunks + chunk] = kept;
}

}  // namespace baton::kernels::cuda
