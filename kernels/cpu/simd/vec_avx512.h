#pragma once

#include <cstdint>

#include <immintrin.h>

#include "baton/base/dtype.h"
#include "product.h"
#include "transpose.h"
#include "widened_pairs.h"

// Four instruction sets have this vector, each compiled with flags and under a name of its own.
#if defined(__AMX_TILE__)
#define BATON_AVX512_SET amx
#elif defined(__AVX512BF16__)
#define BATON_AVX512_SET avx512bf16
#elif defined(__AVX512VNNI__)
#define BATON_AVX512_SET avx512vnni
#else
#define BATON_AVX512_SET avx512
#endif

namespace baton::kernels::cpu::BATON_AVX512_SET {

/// Sixteen lanes of int32 in one register.
struct Ints {
  __m512i v;

  static Ints Zero() { return {_mm512_setzero_si512()}; }
#ifdef __AVX512VNNI__
  /// Four of int8 are multiplied and added at once. One side is unsigned, so w is stored greater by
  /// kBias, and each sum comes out greater by kBias times that of x.
  using Element = int8_t;
  static constexpr int64_t kJoined = 4;
  static constexpr int kBias = 128;
  static Ints LoadColumns(const std::byte* from) { return {_mm512_loadu_si512(from)}; }
  static Ints MulAdd(Ints factor, Ints columns, Ints sum) {
    return {_mm512_dpbusd_epi32(sum.v, columns.v, factor.v)};
  }
#else
  /// Pairs of int8 are widened to int16, multiplied and added.
  using Element = int16_t;
  static constexpr int64_t kJoined = 2;
  static constexpr int kBias = 0;
  static Ints LoadColumns(const std::byte* from) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
  }
  static Ints MulAdd(Ints factor, Ints columns, Ints sum) {
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(factor.v, columns.v))};
  }
#endif
  /// The elements of a step, the same for all lanes.
  static Ints Broadcast(const std::byte* from) {
    int32_t step;
    __builtin_memcpy(&step, from, sizeof step);
    return {_mm512_set1_epi32(step)};
  }
};

struct Pairs;

/// Sixteen lanes of float32 in one register.
struct Vec {
  using Ints = BATON_AVX512_SET::Ints;
  using Pairs = BATON_AVX512_SET::Pairs;
  static constexpr int kLanes = 16;
  /// Tiles of products that fit the registers: most rows, and most sums where there is more than
  /// one vector for a row.
  static constexpr int kLinearRows = 12;
  static constexpr int kLinearSums = 24;
  /// The same of panels, of which two with so many rows of x leave the first-level cache.
  static constexpr int kPanelSums = 20;
  /// Most rows where a panel's columns are widened, which more of them share.
  static constexpr int kWidenedRows = 16;
  /// Whether what is done with a tile's sums at its end takes registers from them.
  static constexpr bool kSpillsSums = false;
  /// Whether pairs of bfloat16 are widened where they are multiplied.
  static constexpr bool kWidensPairs = true;
  __m512 v;

  static __mmask16 First(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Vec Broadcast(float a) { return {_mm512_set1_ps(a)}; }
  static Vec Zero() { return {_mm512_setzero_ps()}; }
  static Vec FromInts(Ints ints, int32_t surplus) {
    return {_mm512_cvtepi32_ps(_mm512_sub_epi32(ints.v, _mm512_set1_epi32(surplus)))};
  }
  static Vec Load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static Vec LoadPart(const float* from, int64_t n) {
    return {_mm512_maskz_loadu_ps(First(n), from)};
  }
  static Vec Widen(__m256i bits, const BFloat16*) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  static Vec Widen(__m256i bits, const Float16*) { return {_mm512_cvtph_ps(bits)}; }
  static Vec Widen(__m128i bits) { return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bits))}; }
  static Vec Load(const int8_t* from) {
    return Widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vec LoadPart(const int8_t* from, int64_t n) {
    return Widen(_mm_maskz_loadu_epi8(First(n), from));
  }
  template <class T>
  static Vec Load(const T* from) {
    return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)), from);
  }
  /// The first, or the second, of sixteen pairs.
  static Vec LoadFirst(const BFloat16Pair* from) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(from), 16))};
  }
  static Vec LoadSecond(const BFloat16Pair* from) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(from), upper))};
  }
  template <class T>
  static Vec LoadPart(const T* from, int64_t n) {
    return Widen(_mm256_maskz_loadu_epi16(First(n), from), from);
  }
  /// Where column i of a panel lies in its packed row.
  template <class T>
  static constexpr int PanelPlace(int i, const T*) {
    return i;
  }
  /// A packed row.
  template <class T>
  static Vec LoadPanel(const T* from) {
    return Load(from);
  }
  /// 16 rows of 8 to columns.
  static void TransposeEights(const float* from, int64_t stride, float* to, int64_t to_stride) {
    TransposeEight(from, stride, to, to_stride);
    TransposeEight(from + 8 * stride, stride, to + 8, to_stride);
  }
  void Store(float* to) const { _mm512_storeu_ps(to, v); }
  void StorePart(float* to, int64_t n) const { _mm512_mask_storeu_ps(to, First(n), v); }
  /// Rounds to nearest, ties to even; NaN stays NaN.
  __m256i Narrow(const BFloat16*) const {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
  }
  __m256i Narrow(const Float16*) const {
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  template <class T>
  void Store(T* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), Narrow(to));
  }
  template <class T>
  void StorePart(T* to, int64_t n) const {
    _mm256_mask_storeu_epi16(to, First(n), Narrow(to));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
  static Vec MulAdd(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static Vec Max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  /// To the nearest integer, ties to even.
  static Vec Round(Vec a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  /// a * 2^n. REQUIRES: n integral, the result normal.
  static Vec Scale(Vec a, Vec n) { return {_mm512_scalef_ps(a.v, n.v)}; }
  /// a < b ? x : y, lane by lane.
  static Vec IfLess(Vec a, Vec b, Vec x, Vec y) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
  }
  /// Lanes [begin, end) of a, `other` elsewhere.
  static Vec Keep(Vec a, int begin, int end, float other) {
    const auto mask = static_cast<__mmask16>(First(end) & ~First(begin));
    return {_mm512_mask_blend_ps(mask, _mm512_set1_ps(other), a.v)};
  }
  /// Lanes of a whose bit is set, `other` elsewhere; lane 0 is the lowest bit.
  static Vec KeepBits(Vec a, uint32_t bits, float other) {
    return {_mm512_mask_blend_ps(static_cast<__mmask16>(bits), _mm512_set1_ps(other), a.v)};
  }
  /// Halves are added to halves: lanes i and i + 8, then i + 4, i + 2, i + 1.
  float Add() const {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }
  float Max() const {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }
};

/// Products of pairs of bfloat16.
#ifdef __AVX512BF16__
struct Pairs {
  using Element = BFloat16;
  using Columns = __m512i;
  using Factor = __m512i;
  static __m512i LoadColumns(const std::byte* from) { return _mm512_loadu_si512(from); }
  static __m512i Broadcast(const std::byte* from) {
    int32_t pair;
    __builtin_memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Vec MulAdd(__m512i factor, __m512i columns, Vec sum) {
    return {_mm512_dpbf16_ps(sum.v, (__m512bh)columns, (__m512bh)factor)};
  }
};
#else
struct Pairs : WidenedPairs<Vec> {};
#endif

}  // namespace baton::kernels::cpu::BATON_AVX512_SET
