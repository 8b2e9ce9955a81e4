#pragma once

#include <cstddef>

#include "baton/base/dtype.h"
#include "product.h"

namespace baton::kernels::cpu {

/// Products of pairs of bfloat16 where no instruction has them. A product of two is exact as a
/// float32, so that a fused multiply-add and the two operations give the same bits.
template <class V>
struct WidenedPairs {
  /// x is stored as float32.
  using Element = float;
  struct Both {
    V first;
    V second;
  };
  using Columns = Both;
  using Factor = Both;

  static Both LoadColumns(const std::byte* from) {
    const auto* pairs = reinterpret_cast<const BFloat16Pair*>(from);
    return {V::LoadFirst(pairs), V::LoadSecond(pairs)};
  }
  static Both Broadcast(const std::byte* from) {
    const auto* pair = reinterpret_cast<const float*>(from);
    return {V::Broadcast(pair[0]), V::Broadcast(pair[1])};
  }
  static V MulAdd(const Both& factor, const Both& columns, V sum) {
    sum = V::MulAdd(factor.second, columns.second, sum);
    return V::MulAdd(factor.first, columns.first, sum);
  }
};

}  // namespace baton::kernels::cpu
