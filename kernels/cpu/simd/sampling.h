#pragma once

#include "../isa.h"
#include "exp.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// The passes over a row of V logits; what is left for the draw is scalar.
template <class V>
struct Sampling {
  static constexpr int kLanes = V::kLanes;
  static constexpr float kLowest = -__builtin_inff();

  static void KeepFinite(float* x, int64_t n) {
    const V limit = V::Broadcast(__builtin_inff());
    const V lowest = V::Broadcast(kLowest);
    for (int64_t i = 0; i < n; i += kLanes) {
      const V a = LoadUpTo<V>(x + i, n - i);
      StoreUpTo(V::IfLess(lowest, a, V::IfLess(a, limit, a, lowest), lowest), x + i, n - i);
    }
  }

  static void KeepMasked(float* x, const uint32_t* mask, int64_t n) {
    static_assert(32 % kLanes == 0, "no vector takes bits of two words");
    for (int64_t i = 0; i < n; i += kLanes) {
      const V a = LoadUpTo<V>(x + i, n - i);
      StoreUpTo(V::KeepBits(a, mask[i / 32] >> (i % 32), kLowest), x + i, n - i);
    }
  }

  static void BlockMax(const float* x, int64_t n, float* largest) {
    for (int64_t block = 0; block < n; block += kMaxBlock) {
      V most = V::Broadcast(kLowest);
      for (int64_t i = block; i < block + kMaxBlock && i < n; i += kLanes) {
        V a = LoadUpTo<V>(x + i, n - i);
        if (n - i < kLanes) a = V::Keep(a, 0, static_cast<int>(n - i), kLowest);
        most = V::Max(most, a);
      }
      largest[block / kMaxBlock] = most.Max();
    }
  }

  static void ExpSum(const float* x, int64_t n, float shift, float temperature, float* e,
                     float* sums) {
    for (int64_t block = 0; block < n; block += kSumBlock) {
      V sum = V::Zero();
      for (int64_t i = block; i < block + kSumBlock && i < n; i += kLanes) {
        const V a = (LoadUpTo<V>(x + i, n - i) - V::Broadcast(shift)) / V::Broadcast(temperature);
        V weight = Exp(a);
        if (n - i < kLanes) weight = V::Keep(weight, 0, static_cast<int>(n - i), 0.0f);
        sum = sum + weight;
        if (e != nullptr) StoreUpTo(weight, e + i, n - i);
      }
      sums[block / kSumBlock] = sum.Add();
    }
  }
};

}  // namespace baton::kernels::cpu
