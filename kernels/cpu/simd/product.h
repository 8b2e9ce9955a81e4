#pragma once

#include <cstdint>

namespace baton::kernels::cpu {

/// y = x w, or that added to y, of float32 with lanes along the columns: each sum takes the rows of
/// w in order, whatever tile it is in. Strides in elements.
template <class V>
struct Product {
  static constexpr int kLanes = V::kLanes;

  const float* x;
  int64_t x_stride;
  const float* w;
  int64_t w_stride;
  float* y;
  int64_t y_stride;
  int64_t depth;
  bool adds;

  /// REQUIRES: at most kLinearRows rows, whole vectors of columns.
  void Multiply(int64_t rows, int64_t columns) const { Dispatch<V::kLinearRows>(rows, columns); }

  template <int Rows>
  void Dispatch(int64_t rows, int64_t columns) const {
    if constexpr (Rows > 1) {
      if (rows < Rows) return Dispatch<Rows - 1>(rows, columns);
    }
    constexpr int kMost = V::kLinearSums / Rows;
    constexpr int kCount = kMost < 1 ? 1 : kMost > 4 ? 4 : kMost;
    int64_t n = 0;
    for (; n + kCount * kLanes <= columns; n += kCount * kLanes) Tile<Rows, kCount>(n);
    for (; n < columns; n += kLanes) Tile<Rows, 1>(n);
  }

  template <int Rows, int Count>
  void Tile(int64_t n) const {
    V sums[Rows][Count];
#pragma GCC unroll 24
    for (int i = 0; i < Rows * Count; ++i) {
      const float* from = y + i / Count * y_stride + n + i % Count * kLanes;
      sums[i / Count][i % Count] = adds ? V::Load(from) : V::Zero();
    }
    for (int64_t k = 0; k < depth; ++k) {
      V row[Count];
#pragma GCC unroll 4
      for (int i = 0; i < Count; ++i) row[i] = V::Load(w + k * w_stride + n + i * kLanes);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
        const V factor = V::Broadcast(x[r * x_stride + k]);
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i) sums[r][i] = V::MulAdd(factor, row[i], sums[r][i]);
      }
    }
#pragma GCC unroll 24
    for (int i = 0; i < Rows * Count; ++i) {
      sums[i / Count][i % Count].Store(y + i / Count * y_stride + n + i % Count * kLanes);
    }
  }
};

}  // namespace baton::kernels::cpu
