#pragma once

#include <cstdint>

#include "typed.h"

namespace baton::kernels::cpu {

/// Elements rounded to eight bits by a scale of their own: the largest becomes 127.
template <class V>
struct RoundedRow {
  /// Below it 127 over the largest would overflow: such elements are as good as zero.
  static constexpr float kLeast = 0x1p-100f;

  /// Rounds to nearest, ties to even, and returns the scale. The same bits with every V.
  template <class I>
  static float Round(const float* from, int64_t n, I* to) {
    return Scale(from, n, [&](int64_t i, V values) {
      float rounded[V::kLanes];
      V::Round(values).Store(rounded);
      const int64_t left = n - i < V::kLanes ? n - i : V::kLanes;
      for (int64_t j = 0; j < left; ++j) to[i + j] = static_cast<I>(rounded[j]);
    });
  }

  /// Calls take(i, values) for each vector of elements over their scale, which it returns; behind
  /// the last element they are zero.
  template <class F>
  [[gnu::always_inline]] static float Scale(const float* from, int64_t n, F take) {
    V largest = V::Zero();
    for (int64_t i = 0; i < n; i += V::kLanes) {
      const V values = LoadUpTo<V>(from + i, n - i);
      largest = V::Max(largest, V::Max(values, V::Zero() - values));
    }
    const float most = largest.Max();
    const bool some = most >= kLeast;
    const V inverse = V::Broadcast(some ? 127 / most : 0);
    for (int64_t i = 0; i < n; i += V::kLanes) {
      take(i, LoadUpTo<V>(from + i, n - i) * inverse);
    }
    return some ? most / 127 : 0;
  }

  static void Store(const float* from, std::byte* to, int64_t n) {
    const float scale = Round(from, n, reinterpret_cast<int8_t*>(to));
    __builtin_memcpy(to + n, &scale, sizeof scale);
  }
};

}  // namespace baton::kernels::cpu
