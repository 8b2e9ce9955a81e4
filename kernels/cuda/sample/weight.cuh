#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <cuda_runtime.h>

namespace baton::kernels::cuda {

/// Weights of tokens are whole numbers, so that their sums are exact and need no order: atomics may
/// add them, any number of blocks may share a row, and a row's token is the same whatever ran
/// beside it. The likeliest token weighs kWeightOne.
inline constexpr int kWeightBits = 44;
inline constexpr uint64_t kWeightOne = uint64_t{1} << kWeightBits;
/// Sums of that many weights stay below 2^63.
inline constexpr int64_t kMaxSampleVocabulary = int64_t{1} << 19;
/// Tokens that a row may list with their log-probabilities.
inline constexpr int kMaxSampleTop = 32;

/// Sums that atomics add to: uint64_t under the name that they know.
using AtomicSum = unsigned long long;
static_assert(sizeof(AtomicSum) == sizeof(uint64_t));

inline constexpr double kLog2E = 1.4426950408889634;

/// Weights fall into bins by their logit, kBinsPerOctave for each halving; the last bin takes those
/// that are too small to count.
inline constexpr int kBinsPerOctave = 16;
inline constexpr int kTailBin = (kWeightBits + 1) * kBinsPerOctave;
inline constexpr int kSampleBins = kTailBin + 1;

/// How far a logit lies below the largest, in octaves of weight; at most 0.
__host__ __device__ inline double Octaves(float logit, float largest, double octaves_per_logit) {
  // The 0 keeps the product from being fused with what follows.
  return fma(double{logit} - double{largest}, octaves_per_logit, 0.0);
}

/// kWeightOne * 2^octaves, cut to a whole number. IEEE operations only, each fused one written out,
/// so that host and device give the same bits.
/// Accuracy: within a factor of 1 +- 2^-22 and 1 of the exact value. REQUIRES: octaves <= 0.
__host__ __device__ inline uint64_t WeightOf(double octaves) {
  if (!(octaves > -(kWeightBits + 1))) return 0;
  // Adding 1.5 * 2^52 leaves the nearest whole number in the lowest bits.
  constexpr double kToWhole = 6755399441055744.0;
  const double shifted = octaves + kToWhole;
  const int whole = static_cast<int>(std::bit_cast<uint64_t>(shifted) & 0xFFFFFFFFu);
  const float rest = static_cast<float>(octaves - (shifted - kToWhole));
  // 2^rest on [-1/2, 1/2]: interpolated at Chebyshev's nodes, within 1e-8 of its value.
  float sum = 0x1.44138ap-13f;
  sum = fmaf(sum, rest, 0x1.5f0890p-10f);
  sum = fmaf(sum, rest, 0x1.3b2a54p-7f);
  sum = fmaf(sum, rest, 0x1.c6af6cp-5f);
  sum = fmaf(sum, rest, 0x1.ebfbe0p-3f);
  sum = fmaf(sum, rest, 0x1.62e430p-1f);
  const uint32_t bits = std::bit_cast<uint32_t>(fmaf(sum, rest, 1.0f));
  const uint64_t mantissa = (bits & 0x7FFFFFu) | 0x800000u;
  const int shift = kWeightBits - 23 + whole + static_cast<int>(bits >> 23) - 127;
  return shift >= 0 ? mantissa << shift : mantissa >> -shift;
}

__host__ __device__ inline int BinOf(double octaves) {
  const double bin = octaves * -kBinsPerOctave;
  return bin < kTailBin ? static_cast<int>(bin) : kTailBin;
}

/// Bits that all weights of a bin end in, all zero: what is left of them fits 26 bits.
__host__ __device__ inline int BinShift(int bin) {
  const int shift = kWeightBits - bin / kBinsPerOctave - 25;
  return shift > 0 ? shift : 0;
}

__host__ __device__ inline bool IsFinite(float logit) {
  return (std::bit_cast<uint32_t>(logit) & 0x7F800000u) != 0x7F800000u;
}

/// A number that is larger for likelier tokens: by logit, then by the smaller token. 0 for logits
/// that are not finite, which are never drawn.
__host__ __device__ inline uint64_t Order(float logit, int32_t token) {
  if (logit == 0) logit = 0;  // -0 is no less likely than 0.
  if (!IsFinite(logit)) return 0;
  uint32_t bits = std::bit_cast<uint32_t>(logit);
  bits ^= (bits >> 31) != 0 ? 0xFFFFFFFFu : 0x80000000u;
  return uint64_t{bits} << 32 | (0xFFFFFFFFu - static_cast<uint32_t>(token));
}

__host__ __device__ inline int32_t TokenOf(uint64_t order) {
  return static_cast<int32_t>(0xFFFFFFFFu - static_cast<uint32_t>(order));
}

__host__ __device__ inline float LogitOf(uint64_t order) {
  uint32_t bits = static_cast<uint32_t>(order >> 32);
  bits ^= (bits >> 31) != 0 ? 0x80000000u : 0xFFFFFFFFu;
  return std::bit_cast<float>(bits);
}

/// uniform / 2^24 * sum, rounded down. REQUIRES: sum < 2^63.
__host__ __device__ inline uint64_t TargetOf(uint32_t uniform, uint64_t sum) {
  return (sum >> 24) * uniform + ((sum & 0xFFFFFFu) * uniform >> 24);
}

}  // namespace baton::kernels::cuda
