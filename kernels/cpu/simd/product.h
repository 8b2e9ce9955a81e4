#pragma once

#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::kernels::cpu {

/// Two neighbours of a row, where rows have become columns by twos.
struct BFloat16Pair {
  BFloat16 first;
  BFloat16 second;
};

template <class W>
inline constexpr int kRowsIn = 1;
template <>
inline constexpr int kRowsIn<BFloat16Pair> = 2;

/// y = x w, or that added to y, of float32 with lanes along the columns: each sum takes the rows of
/// w in order, whatever tile it is in and however w lies. Strides in elements.
/// W: float; BFloat16, with the columns of y where V::PanelPlace has them; or BFloat16Pair, each
/// row of which is two.
template <class V, class W = float>
struct Product {
  static constexpr int kLanes = V::kLanes;
  /// Rows of the product in a row of w as it lies.
  static constexpr int kParts = kRowsIn<W>;

  const float* x;
  int64_t x_stride;
  const W* w;
  int64_t w_stride;
  float* y;
  int64_t y_stride;
  int64_t depth;  ///< Rows of w as they lie.
  bool adds;

  /// REQUIRES: whole vectors of columns.
  void Multiply(int64_t rows, int64_t columns) const {
    const int64_t tiles = (rows + V::kLinearRows - 1) / V::kLinearRows;
    for (int64_t tile = 0, r = 0; tile < tiles; ++tile) {
      const int64_t each = (rows - r) / (tiles - tile);
      Product part = *this;
      part.x += r * x_stride;
      part.y += r * y_stride;
      part.template Dispatch<V::kLinearRows>(each, columns);
      r += each;
    }
  }

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
    for (int64_t k = 0; k < depth; ++k) AddRow<Rows, Count>(w + k * w_stride + n, k, sums);
#pragma GCC unroll 24
    for (int i = 0; i < Rows * Count; ++i) {
      sums[i / Count][i % Count].Store(y + i / Count * y_stride + n + i % Count * kLanes);
    }
  }

  template <int Rows, int Count>
  [[gnu::always_inline]] void AddRow(const W* row, int64_t k, V (&sums)[Rows][Count]) const {
#pragma GCC unroll 2
    for (int part = 0; part < kParts; ++part) {
      V columns[Count];
#pragma GCC unroll 4
      for (int i = 0; i < Count; ++i) columns[i] = Widened(row + i * kLanes, part);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
        const V factor = V::Broadcast(x[r * x_stride + k * kParts + part]);
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i) sums[r][i] = V::MulAdd(factor, columns[i], sums[r][i]);
      }
    }
  }

  static V Widened(const float* from, int) { return V::Load(from); }
  static V Widened(const BFloat16* from, int) { return V::LoadPanel(from); }
  static V Widened(const BFloat16Pair* from, int part) {
    return part == 0 ? V::LoadFirst(from) : V::LoadSecond(from);
  }
};

}  // namespace baton::kernels::cpu
