#pragma once

#include <immintrin.h>

#include "../isa.h"
#include "amx_tiles.h"
#include "panels.h"
#include "vec_avx512.h"

/// How products of AMX take x and w. Each says
///   kTerms                    tiles of x to one of w
///   kStep                     elements of K in a tile
///   kJoined, Weight           how a panel's elements lie, and of what type
///   kScaled                   whether sums of a block of K are scaled before they are added
///   Add<sums, x, w>()
///   LayRow(x, depth, at)      a row of a block of K: at(step, term) are the bytes of it in a tile
///   Value(sums, scale, panel) a row of sums, of a panel's columns
/// In a block of K a row of x has a scale before the tiles; it matters to EightBits alone.
namespace baton::kernels::cpu::amx {

/// A line of bfloat16 of the upper halves of 32 float32.
[[gnu::always_inline]] inline __m512i UpperHalves(__m512i first, __m512i second) {
  alignas(64) static constexpr uint16_t kOdd[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                    23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                    45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  return _mm512_permutex2var_epi16(first, _mm512_load_si512(kOdd), second);
}

/// Sixteen float32 as a sum of three bfloat16, which lie in the upper halves: eight bits of the 24
/// each, so that the sum is exact where the last is normal, that is from 2^-103 on. What is not
/// finite stays so in the first, and the others are zero.
struct SplitVector {
  __m512i terms[3];

  [[gnu::always_inline]] explicit SplitVector(Vec x) {
    const __mmask16 endless = _mm512_fpclass_ps_mask(x.v, 0x99);
    const __m512 rest = _mm512_maskz_sub_ps(_knot_mask16(endless), x.v, Upper(x.v));
    terms[0] = _mm512_castps_si512(x.v);
    terms[1] = _mm512_castps_si512(rest);
    terms[2] = _mm512_castps_si512(_mm512_sub_ps(rest, Upper(rest)));
    // A NaN whose upper half would be that of infinity.
    const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
    if (nan != 0) {
      terms[0] = _mm512_mask_or_epi32(terms[0], nan, terms[0], _mm512_set1_epi32(0x400000));
    }
  }

  static __m512 Upper(__m512 x) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), upper));
  }
};

/// bfloat16 by bfloat16.
template <int Terms>
struct Halves {
  static constexpr int kTerms = Terms;
  static constexpr int64_t kStep = 32;
  static constexpr int64_t kJoined = 2;
  using Weight = BFloat16;
  static constexpr bool kScaled = false;

  template <int Sums, int X, int W>
  [[gnu::always_inline]] static void Add() {
    AddBFloat16<Sums, X, W>();
  }
  static Vec Value(const float* sums, float, const std::byte*) { return Vec::Load(sums); }
};

/// x rounded to bfloat16.
struct SixteenBits : Halves<1> {
  template <class At>
  static float LayRow(const float* x, int64_t depth, At at) {
    for (int64_t k = 0; k < depth; k += kStep) {
      const __m512 first = LoadUpTo<Vec>(x + k, depth - k).v;
      const int64_t left = depth - k - Vec::kLanes;
      const __m512 second = left > 0 ? LoadUpTo<Vec>(x + k + Vec::kLanes, left).v : Vec::Zero().v;
      _mm512_store_si512(at(k / kStep, 0), (__m512i)_mm512_cvtne2ps_pbh(second, first));
    }
    return 1;
  }
};

/// x as it is, in three terms of bfloat16, whose products are exact.
struct Exact : Halves<3> {
  template <class At>
  static float LayRow(const float* x, int64_t depth, At at) {
    for (int64_t k = 0; k < depth; k += kStep) {
      const SplitVector first(LoadUpTo<Vec>(x + k, depth - k));
      const int64_t left = depth - k - Vec::kLanes;
      const SplitVector second(left > 0 ? LoadUpTo<Vec>(x + k + Vec::kLanes, left) : Vec::Zero());
#pragma GCC unroll 3
      for (int term = 0; term < kTerms; ++term) {
        _mm512_store_si512(at(k / kStep, term), UpperHalves(first.terms[term], second.terms[term]));
      }
    }
    return 1;
  }
};

/// Both rounded to eight bits. The bits are those of every instruction set.
struct EightBits {
  static constexpr int kTerms = 1;
  static constexpr int64_t kStep = 64;
  static constexpr int64_t kJoined = 4;
  using Weight = int8_t;
  static constexpr bool kScaled = true;

  template <int Sums, int X, int W>
  [[gnu::always_inline]] static void Add() {
    AddInt8<Sums, X, W>();
  }
  template <class At>
  static float LayRow(const float* x, int64_t depth, At at) {
    alignas(64) int8_t rounded[kBlockK] = {};
    const float scale = RoundedRow<Vec>::Scale(x, depth, [&](int64_t k, Vec values) {
      const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(values.v));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(rounded + k), bytes);
    });
    for (int64_t k = 0; k < depth; k += kStep)
      __builtin_memcpy(at(k / kStep, 0), rounded + k, kStep);
    return scale;
  }
  static Vec Value(const float* sums, float scale, const std::byte* panel) {
    const Vec scales = Vec::Load(reinterpret_cast<const float*>(panel)) * Vec::Broadcast(scale);
    return Vec{_mm512_cvtepi32_ps(_mm512_loadu_si512(sums))} * scales;
  }
};

}  // namespace baton::kernels::cpu::amx
