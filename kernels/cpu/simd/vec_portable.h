#pragma once

#include <cstdint>
#include <cstring>

#include "baton/base/dtype.h"
#include "product.h"
#include "widened_pairs.h"

namespace baton::kernels::cpu::portable {

/// Sixteen lanes of int32; those of pairs hold two int16 each.
struct Ints {
  int16_t pairs[32];
  int32_t lanes[16];

  static Ints Zero() { return {}; }
  /// Pairs of int8 are widened to int16, multiplied and added.
  using Element = int16_t;
  static constexpr int64_t kJoined = 2;
  static constexpr int kBias = 0;
  static Ints LoadColumns(const std::byte* from) {
    Ints r;
    const auto* elements = reinterpret_cast<const int8_t*>(from);
    for (int i = 0; i < 32; ++i) r.pairs[i] = elements[i];
    return r;
  }
  /// The elements of a step, the same for all lanes.
  static Ints Broadcast(const std::byte* from) {
    Ints r;
    for (int i = 0; i < 32; i += 2) std::memcpy(r.pairs + i, from, 2 * sizeof(int16_t));
    return r;
  }
  static Ints MulAdd(const Ints& a, const Ints& b, Ints sum) {
    for (int i = 0; i < 16; ++i) {
      sum.lanes[i] += a.pairs[2 * i] * b.pairs[2 * i] + a.pairs[2 * i + 1] * b.pairs[2 * i + 1];
    }
    return sum;
  }
};

/// Sixteen lanes of float32 in what vectors the compiler's base instruction set has.
struct Vec {
  typedef float Quad __attribute__((vector_size(16)));
  using Ints = portable::Ints;
  using Pairs = WidenedPairs<Vec>;
  static constexpr int kLanes = 16;
  /// Tiles of products that fit the registers: most rows, and most sums where there is more than
  /// one vector for a row.
  static constexpr int kLinearRows = 2;
  static constexpr int kLinearSums = 2;
  static constexpr int kPanelSums = kLinearSums;
  static constexpr int kWidenedRows = kLinearRows;
  /// Whether what is done with a tile's sums at its end takes registers from them.
  static constexpr bool kSpillsSums = false;
  /// Whether pairs of bfloat16 are widened where they are multiplied.
  static constexpr bool kWidensPairs = false;
  Quad q[4];

  static Vec Broadcast(float a) {
    const Quad quad = {a, a, a, a};
    return {{quad, quad, quad, quad}};
  }
  static Vec Zero() { return Broadcast(0); }
  static Vec FromInts(const Ints& ints, int32_t surplus) {
    float floats[kLanes];
    for (int i = 0; i < kLanes; ++i) floats[i] = static_cast<float>(ints.lanes[i] - surplus);
    return Load(floats);
  }
  static Vec Load(const float* from) {
    Vec r;
    std::memcpy(&r, from, sizeof r);
    return r;
  }
  static Vec LoadPart(const float* from, int64_t n) {
    Vec r = Zero();
    std::memcpy(&r, from, static_cast<size_t>(n) * sizeof(float));
    return r;
  }
  template <class T>
  static Vec Load(const T* from) {
    return LoadPart(from, kLanes);
  }
  template <class T>
  static Vec LoadPart(const T* from, int64_t n) {
    float lanes[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) lanes[i] = ToFloat(from[i]);
    return Load(lanes);
  }
  static Vec Load(const int8_t* from) { return LoadPart(from, kLanes); }
  static Vec LoadPart(const int8_t* from, int64_t n) {
    float lanes[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) lanes[i] = from[i];
    return Load(lanes);
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
  /// The first, or the second, of sixteen pairs.
  static Vec LoadFirst(const BFloat16Pair* from) {
    float lanes[kLanes];
    for (int i = 0; i < kLanes; ++i) lanes[i] = ToFloat(from[i].first);
    return Load(lanes);
  }
  static Vec LoadSecond(const BFloat16Pair* from) {
    float lanes[kLanes];
    for (int i = 0; i < kLanes; ++i) lanes[i] = ToFloat(from[i].second);
    return Load(lanes);
  }
  /// 16 rows of 8 to columns.
  static void TransposeEights(const float* from, int64_t stride, float* to, int64_t to_stride) {
    for (int i = 0; i < kLanes; ++i) {
      for (int j = 0; j < 8; ++j) to[j * to_stride + i] = from[i * stride + j];
    }
  }
  void Store(float* to) const { std::memcpy(to, this, sizeof *this); }
  void StorePart(float* to, int64_t n) const {
    std::memcpy(to, this, static_cast<size_t>(n) * sizeof(float));
  }
  void StorePart(BFloat16* to, int64_t n) const {
    float lanes[kLanes];
    Store(lanes);
    for (int64_t i = 0; i < n; ++i) to[i] = ToBFloat16(lanes[i]);
  }
  void StorePart(Float16* to, int64_t n) const {
    float lanes[kLanes];
    Store(lanes);
    for (int64_t i = 0; i < n; ++i) to[i] = ToFloat16(lanes[i]);
  }
  template <class T>
  void Store(T* to) const {
    StorePart(to, kLanes);
  }

  template <class F>
  static Vec Map(Vec a, Vec b, F f) {
    for (int i = 0; i < 4; ++i) a.q[i] = f(a.q[i], b.q[i]);
    return a;
  }
  friend Vec operator+(Vec a, Vec b) {
    return Map(a, b, [](Quad x, Quad y) { return x + y; });
  }
  friend Vec operator-(Vec a, Vec b) {
    return Map(a, b, [](Quad x, Quad y) { return x - y; });
  }
  friend Vec operator*(Vec a, Vec b) {
    return Map(a, b, [](Quad x, Quad y) { return x * y; });
  }
  friend Vec operator/(Vec a, Vec b) {
    return Map(a, b, [](Quad x, Quad y) { return x / y; });
  }
  /// Two roundings: the base instruction set has no fused multiply-add.
  static Vec MulAdd(Vec a, Vec b, Vec c) { return a * b + c; }
  static Vec Max(Vec a, Vec b) {
    return Map(a, b, [](Quad x, Quad y) { return x > y ? x : y; });
  }
  /// To the nearest integer, ties to even. REQUIRES: |a| < 2^22.
  static Vec Round(Vec a) {
    const Vec magic = Broadcast(0x1.8p23f);
    return (a + magic) - magic;
  }
  /// a * 2^n. REQUIRES: n integral, the result normal.
  static Vec Scale(Vec a, Vec n) {
    float lanes[kLanes];
    n.Store(lanes);
    for (float& lane : lanes) {
      const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(lane) + 127) << 23;
      std::memcpy(&lane, &bits, sizeof lane);
    }
    return a * Load(lanes);
  }
  /// a < b ? x : y, lane by lane.
  static Vec IfLess(Vec a, Vec b, Vec x, Vec y) {
    for (int i = 0; i < 4; ++i) y.q[i] = a.q[i] < b.q[i] ? x.q[i] : y.q[i];
    return y;
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
    float lanes[kLanes];
    a.Store(lanes);
    for (int i = 0; i < kLanes; ++i) lanes[i] = (bits >> i & 1) != 0 ? lanes[i] : other;
    return Load(lanes);
  }
  float Add() const {
    const Quad eight[2] = {q[0] + q[2], q[1] + q[3]};
    const Quad four = eight[0] + eight[1];
    return (four[0] + four[2]) + (four[1] + four[3]);
  }
  float Max() const {
    float largest = q[0][0];
    for (const Quad& quad : q) {
      for (int i = 0; i < 4; ++i) largest = quad[i] > largest ? quad[i] : largest;
    }
    return largest;
  }
};

}  // namespace baton::kernels::cpu::portable
