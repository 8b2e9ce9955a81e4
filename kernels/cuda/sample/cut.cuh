#pragma once

#include "sample/kernel.cuh"

/// Where top_k and top_p cut, and the likeliest tokens of a row.
namespace baton::kernels::cuda {

struct CutShared {
  BlockScratch scratch;
  Boundary boundary;
  AtomicSum sums[1024];  ///< Of the row's bins, then of the values of a digit.
  uint64_t list[kCutList];
  uint64_t likeliest[kMaxSampleTop];
  uint32_t listed;
};
static_assert(kSampleBins <= 1024 && kSampleBins <= kCutThreads);

/// The tokens of one bin of a row, in shared memory where they fit, else found again each time.
struct BinTokens {
  const float* logits = nullptr;
  int V = 0;
  bool aligned = false;
  float largest = 0;
  double octaves_per_logit = 0;
  int bin = -1;
  int listed = -1;  ///< -1: not in shared memory.

  __device__ double OctavesOf(float logit) const {
    return Octaves(logit, largest, octaves_per_logit);
  }

  /// Calls fn(order) for each, and with 0 so that all threads call it equally often.
  template <typename Fn>
  __device__ void ForEach(const CutShared& shared, Fn&& fn) const {
    if (listed >= 0) {
      for (int base = 0; base < listed; base += kCutThreads) {
        const int i = base + static_cast<int>(threadIdx.x);
        fn(i < listed ? shared.list[i] : 0);
      }
      return;
    }
    ForEachLogit<kCutThreads>(logits, 0, V, aligned, [&](int token, float logit) {
      const bool here = IsFinite(logit) && BinOf(OctavesOf(logit)) == bin;
      fn(here ? Order(logit, token) : 0);
    });
  }

  /// Takes the tokens of another bin, `count` of them.
  __device__ void Take(int other, uint32_t count, CutShared& shared) {
    if (other == bin) return;
    bin = other;
    listed = -1;
    if (count > kCutList) return;
    if (threadIdx.x == 0) shared.listed = 0;
    __syncthreads();  // The list is empty, and nobody reads the one before.
    ForEach(shared, [&](uint64_t order) {
      if (order != 0) shared.list[atomicAdd(&shared.listed, 1u)] = order;
    });
    __syncthreads();  // The list is whole.
    listed = static_cast<int>(count);
  }
};

/// What tokens are measured by where they are cut.
enum class Measure { kNumber, kWeight };

/// Order() of the last token with which the measure of the bin's tokens, likeliest first, reaches
/// `need`: a radix selection, 8 bits at a time, in at most 7 passes, or fewer and one.
/// REQUIRES: 0 < need <= the measure of all.
template <Measure kMeasure>
__device__ uint64_t SelectInBin(const BinTokens& tokens, uint64_t need, CutShared& shared) {
  uint64_t prefix = 0;
  for (int shift = 56;; shift -= 8) {
    // Tokens have fewer than 24 bits: all have the same here.
    if (shift == 24) {
      prefix = prefix << 8 | 0xFF;
      continue;
    }
    for (int i = static_cast<int>(threadIdx.x); i < 256; i += kCutThreads) shared.sums[i] = 0;
    __syncthreads();  // The digit's sums are empty.
    tokens.ForEach(shared, [&](uint64_t order) {
      const bool here = order != 0 && (shift == 56 || order >> (shift + 8) == prefix);
      const int digit = here ? 255 - static_cast<int>(order >> shift & 0xFF) : -1;
      uint64_t measure = 1;
      if (kMeasure == Measure::kWeight && here)
        measure = WeightOf(tokens.OctavesOf(LogitOf(order)));
      AddToBin(shared.sums, digit, here ? measure : 0);
    });
    __syncthreads();  // The sums are whole.
    const Boundary found =
        FindBoundary<kCutThreads>(shared.sums, 256, need, shared.boundary, shared.scratch);
    need -= found.before;
    prefix = prefix << 8 | static_cast<uint64_t>(255 - found.bin);
    if (shift == 0) return prefix;
    if (found.within != need) continue;
    // All that begin so are taken: the last of them, lest tokens of other bins that begin so be.
    uint64_t last = 0;
    tokens.ForEach(shared, [&](uint64_t order) {
      if (order != 0 && order >> shift == prefix && ~order > last) last = ~order;
    });
    return ~BlockMax<kCutThreads>(last, shared.scratch);
  }
}

/// The row's bins into shared memory.
template <typename T>
__device__ void LoadBins(const T* bins, int count, CutShared& shared) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kCutThreads) shared.sums[i] = bins[i];
  __syncthreads();  // Bins are loaded.
}

/// Where top_k cuts, 0 where it leaves all that weigh anything; `weight` becomes that of the rest.
__device__ inline uint64_t CutByNumber(const uint32_t* counts, const AtomicSum* weights, int top_k,
                                       BinTokens& tokens, uint64_t& weight, CutShared& shared) {
  LoadBins(counts, kTailBin, shared);
  const Boundary found = FindBoundary<kCutThreads>(
      shared.sums, kTailBin, static_cast<uint64_t>(top_k), shared.boundary, shared.scratch);
  if (found.bin < 0) return 0;
  tokens.Take(found.bin, static_cast<uint32_t>(found.within), shared);
  const uint64_t cutoff =
      SelectInBin<Measure::kNumber>(tokens, static_cast<uint64_t>(top_k) - found.before, shared);
  uint64_t kept = 0;
  for (int i = static_cast<int>(threadIdx.x); i < found.bin; i += kCutThreads) kept += weights[i];
  tokens.ForEach(shared, [&](uint64_t order) {
    if (order >= cutoff) kept += WeightOf(tokens.OctavesOf(LogitOf(order)));
  });
  weight = BlockSum<kCutThreads>(kept, shared.scratch);
  return cutoff;
}

/// Where top_p cuts what top_k left, of this weight.
__device__ inline uint64_t CutByWeight(const uint32_t* counts, const AtomicSum* weights,
                                       float top_p, BinTokens& tokens, uint64_t weight,
                                       CutShared& shared) {
  uint64_t need = static_cast<uint64_t>(ceil(double{top_p} * static_cast<double>(weight)));
  need = need < 1 ? 1 : need > weight ? weight : need;
  LoadBins(weights, kTailBin, shared);
  const Boundary found =
      FindBoundary<kCutThreads>(shared.sums, kTailBin, need, shared.boundary, shared.scratch);
  tokens.Take(found.bin, counts[found.bin], shared);
  return SelectInBin<Measure::kWeight>(tokens, need - found.before, shared);
}

/// Grid: rows.
__global__ void __launch_bounds__(kCutThreads) CutRow(SampleArgs args) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  CutShared& shared = StaticShared<CutShared>();
  const int r = static_cast<int>(blockIdx.x);
  const PlannedRow& row = RowOf(args, r);
  if (row.given >= 0 || row.cuts == 0) return;
  const uint64_t largest = LargestOf<kCutThreads>(args, r, shared.scratch);
  if (largest == 0) return;
  BinTokens tokens{.logits = args.logits + int64_t{r} * args.V,
                   .V = args.V,
                   .aligned = RowsAligned(args),
                   .largest = LogitOf(largest),
                   .octaves_per_logit = row.octaves_per_logit};
  const uint32_t* counts = args.scratch.bin_counts + int64_t{r} * kSampleBins;
  const AtomicSum* weights = args.scratch.bin_weights + int64_t{r} * kSampleBins;

  uint64_t weight = 0;
  for (int i = static_cast<int>(threadIdx.x); i < kTailBin; i += kCutThreads) weight += weights[i];
  weight = BlockSum<kCutThreads>(weight, shared.scratch);
  uint64_t cutoff = 0;
  if (row.top_k > 0) cutoff = CutByNumber(counts, weights, row.top_k, tokens, weight, shared);
  if (row.top_p < 1) cutoff = CutByWeight(counts, weights, row.top_p, tokens, weight, shared);
  if (threadIdx.x == 0) args.scratch.cutoff[r] = cutoff > 0 ? cutoff : 1;
}

/// The likeliest tokens of the logits as the model gave them, and the log of the sum of their exp.
/// Grid: rows.
__global__ void __launch_bounds__(kCutThreads) ListLikeliest(SampleArgs args) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  CutShared& shared = StaticShared<CutShared>();
  const int r = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  const PlannedRow& row = RowOf(args, r);
  if (row.logprobs < 0) return;
  const uint64_t largest = LargestOf<kCutThreads>(args, r, shared.scratch);
  const uint32_t* counts = args.scratch.bin_counts + int64_t{r} * kSampleBins;
  const AtomicSum* weights = args.scratch.bin_weights + int64_t{r} * kSampleBins;

  // 1. The sum. Bins are filled only where a logit is finite.
  uint64_t weight = 0;
  uint64_t number = 0;
  for (int i = thread; i < kSampleBins; i += kCutThreads) {
    weight += weights[i];
    number += counts[i];
  }
  weight = BlockSum<kCutThreads>(weight, shared.scratch);
  number = BlockSum<kCutThreads>(number, shared.scratch);
  const double log_sum =
      largest == 0 ? 0
                   : double{LogitOf(largest)} +
                         log(static_cast<double>(weight) / static_cast<double>(kWeightOne));
  if (thread == 0) args.scratch.log_sum[r] = log_sum;

  // 2. Where the last of them lies.
  const int wanted = row.logprobs;
  if (wanted == 0) return;
  const int found = number < static_cast<uint64_t>(wanted) ? static_cast<int>(number) : wanted;
  ops::SampledToken* top = args.top + r * args.top_stride;
  if (thread >= found && thread < wanted) top[thread] = {.token = -1, .logprob = -INFINITY};
  if (found == 0) return;
  BinTokens tokens{.logits = args.logits + int64_t{r} * args.V,
                   .V = args.V,
                   .aligned = RowsAligned(args),
                   .largest = LogitOf(largest),
                   .octaves_per_logit = kLog2E};
  LoadBins(counts, kSampleBins, shared);
  const Boundary boundary = FindBoundary<kCutThreads>(
      shared.sums, kSampleBins, static_cast<uint64_t>(found), shared.boundary, shared.scratch);
  tokens.Take(boundary.bin, static_cast<uint32_t>(boundary.within), shared);
  const uint64_t cutoff =
      SelectInBin<Measure::kNumber>(tokens, static_cast<uint64_t>(found) - boundary.before, shared);

  // 3. All of them, each to the place of its rank.
  if (thread == 0) shared.listed = 0;
  __syncthreads();  // The list is empty.
  ForEachLogit<kCutThreads>(tokens.logits, 0, args.V, tokens.aligned, [&](int token, float logit) {
    const uint64_t order = Order(logit, token);
    if (order >= cutoff) shared.likeliest[atomicAdd(&shared.listed, 1u)] = order;
  });
  __syncthreads();  // The list is whole.
  if (thread >= found) return;
  const uint64_t order = shared.likeliest[thread];
  int rank = 0;
  for (int i = 0; i < found; ++i) rank += shared.likeliest[i] > order ? 1 : 0;
  top[rank] = {.token = TokenOf(order),
               .logprob = static_cast<float>(double{LogitOf(order)} - log_sum)};
}

}  // namespace baton::kernels::cuda
