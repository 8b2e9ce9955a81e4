#pragma once

#include "sample/kernel.cuh"

namespace baton::kernels::cuda {

struct PickShared {
  BlockScratch scratch;
  int chunk;
  uint64_t before;  ///< Weights of the chunks before it.
  TokenId token;
  float logit;
};

/// The first token at which the kept weights add up to more than the target.
__device__ inline TokenId PickByWeight(const SampleArgs& args, int r, float largest,
                                       PickShared& shared) {
  const PlannedRow& row = RowOf(args, r);
  const int thread = static_cast<int>(threadIdx.x);

  // 1. The chunk.
  static_assert(kMaxSampleVocabulary / kSampleChunk <= kChunkThreads);
  const uint64_t kept =
      thread < args.chunks ? args.scratch.kept[int64_t{r} * args.chunks + thread] : 0;
  const uint64_t reached = BlockScan<kChunkThreads>(kept, shared.scratch);
  const uint64_t sum = BlockSum<kChunkThreads>(kept, shared.scratch);
  const uint64_t target = TargetOf(row.uniform, sum);
  if (reached > target && reached - kept <= target) {
    shared.chunk = thread;
    shared.before = reached - kept;
  }
  __syncthreads();  // The chunk is known.

  // 2. The token: each thread adds a run of them up, and the one whose run has it looks closer.
  constexpr int kRun = kSampleChunk / kChunkThreads;
  const int begin = shared.chunk * kSampleChunk + thread * kRun;
  const float* logits = args.logits + int64_t{r} * args.V;
  const uint64_t cutoff = row.cuts != 0 ? args.scratch.cutoff[r] : 1;
  uint64_t weights[kRun];
  uint64_t run = 0;
#pragma unroll
  for (int i = 0; i < kRun; ++i) {
    weights[i] = 0;
    if (begin + i >= args.V) continue;
    const float logit = logits[begin + i];
    if (Order(logit, begin + i) < cutoff) continue;
    const uint64_t weight = WeightOf(Octaves(logit, largest, row.octaves_per_logit));
    if (weight >= row.least_weight) weights[i] = weight;
    run += weights[i];
  }
  uint64_t total = shared.before + BlockScan<kChunkThreads>(run, shared.scratch) - run;
  if (total <= target && total + run > target) {
    TokenId token = -1;
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      if (total <= target && total + weights[i] > target) token = begin + i;
      total += weights[i];
    }
    shared.token = token;
  }
  __syncthreads();  // The token is known.
  return shared.token;
}

/// The logit of a token as the model gave it: one that was adjusted was kept.
__device__ inline float LogitBefore(const SampleArgs& args, int r, TokenId token, float* shared) {
  const PlannedRow& row = RowOf(args, r);
  if (threadIdx.x == 0) *shared = args.logits[int64_t{r} * args.V + token];
  __syncthreads();  // The logit as it is now.
  const Adjustment* adjustments = AdjustmentsOf(args, row);
  for (uint32_t i = threadIdx.x; i < row.adjustments; i += kChunkThreads) {
    if (adjustments[i].token == token) *shared = adjustments[i].before;
  }
  __syncthreads();  // As it was.
  return *shared;
}

/// The row's token and its log-probability. Grid: rows.
__global__ void __launch_bounds__(kChunkThreads) PickToken(SampleArgs args) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  PickShared& shared = StaticShared<PickShared>();
  const int r = static_cast<int>(blockIdx.x);
  const PlannedRow& row = RowOf(args, r);
  ops::SampledToken drawn{.token = row.given};
  if (row.given < 0) {
    const uint64_t largest = LargestOf<kChunkThreads>(args, r, shared.scratch);
    if (largest != 0 && row.octaves_per_logit == 0) drawn.token = TokenOf(largest);
    if (largest != 0 && row.octaves_per_logit > 0) {
      drawn.token = PickByWeight(args, r, LogitOf(largest), shared);
    }
  }
  if (row.logprobs >= 0 && drawn.token >= 0) {
    const float logit = LogitBefore(args, r, drawn.token, &shared.logit);
    drawn.logprob =
        IsFinite(logit) ? static_cast<float>(double{logit} - args.scratch.log_sum[r]) : -INFINITY;
    if (row.given >= 0) drawn.rank = 1 + static_cast<int32_t>(args.scratch.above[r]);
  }
  if (threadIdx.x != 0) return;
  args.out[r] = drawn;
  if (args.tokens != nullptr) args.tokens[r] = max(drawn.token, 0);
}

}  // namespace baton::kernels::cuda
