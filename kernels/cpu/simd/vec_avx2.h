#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "baton/base/dtype.h"
#include "product.h"
#include "transpose.h"
#include "widened_pairs.h"

// Two instruction sets have this vector, each compiled with flags and under a name of its own.
#ifdef __AVXVNNI__
#define BATON_AVX2_SET avxvnni
#else
#define BATON_AVX2_SET avx2
#endif

namespace baton::kernels::cpu::BATON_AVX2_SET {

/// Sixteen lanes of int32 in two registers.
struct Ints {
  __m256i lo;
  __m256i hi;

  static Ints Zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
#ifdef __AVXVNNI__
  /// Four of int8 are multiplied and added at once. One side is unsigned, so w is stored greater by
  /// kBias, and each sum comes out greater by kBias times that of x.
  using Element = int8_t;
  static constexpr int64_t kJoined = 4;
  static constexpr int kBias = 128;
  static Ints LoadColumns(const std::byte* from) {
    const auto* halves = reinterpret_cast<const __m256i*>(from);
    return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
  }
  static Ints MulAdd(Ints factor, Ints columns, Ints sum) {
    return {_mm256_dpbusd_avx_epi32(sum.lo, columns.lo, factor.lo),
            _mm256_dpbusd_avx_epi32(sum.hi, columns.hi, factor.hi)};
  }
#else
  /// Pairs of int8 are widened to int16, multiplied and added.
  using Element = int16_t;
  static constexpr int64_t kJoined = 2;
  static constexpr int kBias = 0;
  static Ints LoadColumns(const std::byte* from) {
    const auto* halves = reinterpret_cast<const __m128i*>(from);
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(halves)),
            _mm256_cvtepi8_epi16(_mm_loadu_si128(halves + 1))};
  }
  static Ints MulAdd(Ints factor, Ints columns, Ints sum) {
    return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(factor.lo, columns.lo)),
            _mm256_add_epi32(sum.hi, _mm256_madd_epi16(factor.hi, columns.hi))};
  }
#endif
  /// The elements of a step, the same for all lanes.
  static Ints Broadcast(const std::byte* from) {
    int32_t step;
    std::memcpy(&step, from, sizeof step);
    const __m256i all = _mm256_set1_epi32(step);
    return {all, all};
  }
};

/// Sixteen lanes of float32 in two registers: the same lanes, and so the same bits, as AVX-512.
struct Vec {
  using Ints = BATON_AVX2_SET::Ints;
  using Pairs = WidenedPairs<Vec>;
  static constexpr int kLanes = 16;
  /// Tiles of products that fit the registers: most rows, and most sums where there is more than
  /// one vector for a row.
  static constexpr int kLinearRows = 6;
  static constexpr int kLinearSums = 4;
  static constexpr int kPanelSums = kLinearSums;
  static constexpr int kWidenedRows = kLinearRows;
  /// Whether what is done with a tile's sums at its end takes registers from them.
  static constexpr bool kSpillsSums = true;
  /// Whether pairs of bfloat16 are widened where they are multiplied.
  static constexpr bool kWidensPairs = true;
  __m256 lo;
  __m256 hi;

  static Vec Broadcast(float a) { return {_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
  static Vec Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Vec FromInts(Ints ints, int32_t surplus) {
    const __m256i all = _mm256_set1_epi32(surplus);
    return {_mm256_cvtepi32_ps(_mm256_sub_epi32(ints.lo, all)),
            _mm256_cvtepi32_ps(_mm256_sub_epi32(ints.hi, all))};
  }
  static Vec Load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  static __m256 Widen(__m128i bits, const BFloat16*) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static __m256 Widen(__m128i bits, const Float16*) { return _mm256_cvtph_ps(bits); }
  template <class T>
  static Vec Load(const T* from) {
    const auto* halves = reinterpret_cast<const __m128i*>(from);
    return {Widen(_mm_loadu_si128(halves), from), Widen(_mm_loadu_si128(halves + 1), from)};
  }
  /// Where column i of a panel lies in its packed row. Of bfloat16 the low halves of 32 bits hold
  /// the first eight lanes and the high halves the others: a shift and a mask widen them.
  static constexpr int PanelPlace(int i, const BFloat16*) { return i < 8 ? 2 * i : 2 * i - 15; }
  template <class T>
  static constexpr int PanelPlace(int i, const T*) {
    return i;
  }
  /// A packed row.
  static Vec LoadPanel(const BFloat16* from) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i high = _mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(0xFFFF0000)));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)), _mm256_castsi256_ps(high)};
  }
  /// The first, or the second, of sixteen pairs.
  static Vec LoadFirst(const BFloat16Pair* from) {
    const auto* halves = reinterpret_cast<const __m256i*>(from);
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(halves), 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(halves + 1), 16))};
  }
  static Vec LoadSecond(const BFloat16Pair* from) {
    const auto* halves = reinterpret_cast<const __m256i*>(from);
    const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xFFFF0000));
    return {_mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(halves), upper)),
            _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(halves + 1), upper))};
  }
  static Vec Load(const int8_t* from) {
    const auto* halves = reinterpret_cast<const __m128i*>(from);
    const auto* upper = reinterpret_cast<const __m128i*>(from + 8);
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(halves))),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(upper)))};
  }
  template <class T>
  static Vec LoadPanel(const T* from) {
    return Load(from);
  }
  /// Through memory: AVX2 has no masked loads of 16-bit lanes, and parts are rare.
  template <class T>
  static Vec LoadPart(const T* from, int64_t n) {
    T lanes[kLanes];
    std::memset(static_cast<void*>(lanes), 0, sizeof lanes);
    std::memcpy(static_cast<void*>(lanes), from, static_cast<size_t>(n) * sizeof(T));
    return Load(lanes);
  }
  /// 16 rows of 8 to columns.
  static void TransposeEights(const float* from, int64_t stride, float* to, int64_t to_stride) {
    TransposeEight(from, stride, to, to_stride);
    TransposeEight(from + 8 * stride, stride, to + 8, to_stride);
  }
  void Store(float* to) const {
    _mm256_storeu_ps(to, lo);
    _mm256_storeu_ps(to + 8, hi);
  }
  /// Rounds to nearest, ties to even; NaN stays NaN.
  static __m128i Narrow(__m256 v, const BFloat16*) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
  }
  static __m128i Narrow(__m256 v, const Float16*) {
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
  }
  template <class T>
  void Store(T* to) const {
    auto* halves = reinterpret_cast<__m128i*>(to);
    _mm_storeu_si128(halves, Narrow(lo, to));
    _mm_storeu_si128(halves + 1, Narrow(hi, to));
  }
  template <class T>
  void StorePart(T* to, int64_t n) const {
    T lanes[kLanes];
    Store(lanes);
    std::memcpy(static_cast<void*>(to), lanes, static_cast<size_t>(n) * sizeof(T));
  }

  friend Vec operator+(Vec a, Vec b) {
    return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
  }
  friend Vec operator-(Vec a, Vec b) {
    return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
  }
  friend Vec operator*(Vec a, Vec b) {
    return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
  }
  friend Vec operator/(Vec a, Vec b) {
    return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
  }
  static Vec MulAdd(Vec a, Vec b, Vec c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
  }
  static Vec Max(Vec a, Vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
  /// To the nearest integer, ties to even.
  static Vec Round(Vec a) {
    constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.lo, kMode), _mm256_round_ps(a.hi, kMode)};
  }
  static __m256 PowerOfTwo(__m256 n) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  }
  /// a * 2^n. REQUIRES: n integral, the result normal.
  static Vec Scale(Vec a, Vec n) { return a * Vec{PowerOfTwo(n.lo), PowerOfTwo(n.hi)}; }
  /// a < b ? x : y, lane by lane.
  static Vec IfLess(Vec a, Vec b, Vec x, Vec y) {
    return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
            _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
  }
  /// Lanes [begin, end) of a, `other` elsewhere.
  static Vec Keep(Vec a, int begin, int end, float other) {
    float lanes[kLanes];
    a.Store(lanes);
    for (int i = 0; i < kLanes; ++i) lanes[i] = i >= begin && i < end ? lanes[i] : other;
    return Load(lanes);
  }
  /// Lanes of a whose bit is set, `other` elsewhere; lane 0 is the lowest bit.
  static Vec KeepBits(Vec a, uint32_t bits, float other) {
    const __m256i all = _mm256_set1_epi32(static_cast<int32_t>(bits));
    const __m256 rest = _mm256_set1_ps(other);
    // Each lane's bit goes to where blendv looks: its sign.
    const __m256i low = _mm256_sllv_epi32(all, _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24));
    const __m256i high = _mm256_sllv_epi32(all, _mm256_setr_epi32(23, 22, 21, 20, 19, 18, 17, 16));
    return {_mm256_blendv_ps(rest, a.lo, _mm256_castsi256_ps(low)),
            _mm256_blendv_ps(rest, a.hi, _mm256_castsi256_ps(high))};
  }
  /// Halves are added to halves: lanes i and i + 8, then i + 4, i + 2, i + 1.
  float Add() const {
    const __m256 eight = _mm256_add_ps(lo, hi);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }
  float Max() const {
    const __m256 eight = _mm256_max_ps(lo, hi);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }
};

}  // namespace baton::kernels::cpu::BATON_AVX2_SET
