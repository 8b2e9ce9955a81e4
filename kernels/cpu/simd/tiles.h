#pragma once

#include "../isa.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Some rows and columns of y and one block of K: y = x w^T, or that added to y, tile by tile.
/// What is multiplied, and how, says A:
///   Sum, Columns, Factor       registers: sums, a step of w, a step of one row of x
///   kMostRows                  of a tile
///   kJoined                    elements of K in a step
///   kRowBytes, kElementBytes   of x as it lies, whose elements begin kElementsAt behind a row
///   kStepBytes                 of a panel of w, whose steps begin kStepsAt behind it
///   PanelBytes(depth)
///   Finish(sum, row, panel)    to a vector of y
/// Each sum takes the steps in order, so its bits do not depend on the tile that it is computed in.
template <class V, class A>
struct Tiles {
  using Sum = typename A::Sum;

  static constexpr int64_t kCacheLine = 64;
  /// Elements of x in a cache line.
  static constexpr int64_t kStretch = kCacheLine / A::kElementBytes;
  static_assert(kBlockK % kStretch == 0 && kStretch % A::kJoined == 0);

  const std::byte* x;  ///< [rows, A::kRowBytes]
  float* y;
  int64_t y_stride;
  int64_t rows;
  int64_t columns;
  int64_t depth;
  bool adds;  ///< To what is in y.

  /// `panels`: those of the columns, one behind the other. `next`: those after them.
  void Multiply(const std::byte* panels, const std::byte* next) const {
    const int64_t tiles = (rows + A::kMostRows - 1) / A::kMostRows;
    const int64_t each = (rows + tiles - 1) / tiles;
    // All rows by a few panels, which stay in the first-level cache.
    const int64_t width = PanelsOfTile(each) * kPanel;
    const int64_t bytes = A::PanelBytes(depth);
    for (int64_t n = 0; n < columns; n += width) {
      const int64_t n_end = columns - n < width ? columns : n + width;
      const std::byte* panel = panels + n / kPanel * bytes;
      // Nothing else would fetch what is read next, where the weights' memory and the sums take
      // turns.
      const std::byte* ahead = n_end < columns ? panel + width / kPanel * bytes : next;
      for (int64_t t = 0; t < rows; t += each, ahead = nullptr) {
        const int64_t tile_rows = rows - t < each ? rows - t : each;
        MultiplyTile<A::kMostRows>(panel, ahead, {t, t + tile_rows, n, n_end});
      }
    }
  }

  /// With fewer rows there are more panels, so that there are enough sums under way.
  static constexpr int PanelsOfTile(int64_t tile_rows) {
    const int64_t most = V::kPanelSums / tile_rows;
    return static_cast<int>(most < 1 ? 1 : most > 4 ? 4 : most);
  }

  /// `range` within this part, of at most Rows rows.
  template <int Rows>
  void MultiplyTile(const std::byte* panel, const std::byte* ahead, LinearRange range) const {
    if constexpr (Rows > 1) {
      if (range.t_end - range.t_begin < Rows) {
        return MultiplyTile<Rows - 1>(panel, ahead, range);
      }
    }
    constexpr int kPanels = PanelsOfTile(Rows);
    if (range.n_end - range.n_begin == kPanels * kPanel) {
      return Tile<Rows, kPanels>(panel, ahead, range.t_begin, range.n_begin);
    }
    for (; range.n_begin < range.n_end; range.n_begin += kPanel) {
      Tile<Rows, 1>(panel, ahead, range.t_begin, range.n_begin);
      panel += A::PanelBytes(depth);
      if (ahead != nullptr) ahead += A::PanelBytes(depth);
    }
  }

  template <int Rows, int Count>
  void Tile(const std::byte* panel, const std::byte* ahead, int64_t t, int64_t n) const {
    Sum sums[Rows][Count];
#pragma GCC unroll 24
    for (int i = 0; i < Rows * Count; ++i) sums[i / Count][i % Count] = A::Zero();
    const std::byte* row = x + t * A::kRowBytes + A::kElementsAt;
    const std::byte* w = panel + A::kStepsAt;
    const int64_t stride = A::PanelBytes(depth);
    Touch<Rows>(reinterpret_cast<const std::byte*>(y + t * y_stride + n),
                y_stride * int64_t{sizeof(float)});
    if (A::kStepsAt > 0 && ahead != nullptr) Fetch<Count>(ahead, stride);
    int64_t k = 0;
    for (; k + kStretch <= depth; k += kStretch) {
      // Rows of the next tile, and panels.
      Touch<Rows>(row + Rows * A::kRowBytes + k * A::kElementBytes, A::kRowBytes);
#pragma GCC unroll 4
      for (int64_t i = k; i < k + kStretch; i += A::kJoined) {
        if (ahead != nullptr) {
          Fetch<Count>(ahead + A::kStepsAt + i / A::kJoined * A::kStepBytes, stride);
        }
        AddProducts<Rows, Count>(row, w, stride, i, sums);
      }
    }
    for (; k < depth; k += A::kJoined) AddProducts<Rows, Count>(row, w, stride, k, sums);
    if constexpr (A::kJoined > 1 && V::kSpillsSums) {
      // Through memory and not unrolled, or the compiler spills sums already while they are made.
      Sum whole[Rows * Count];
#pragma GCC unroll 24
      for (int i = 0; i < Rows * Count; ++i) whole[i] = sums[i / Count][i % Count];
#pragma GCC unroll 1
      for (int i = 0; i < Rows * Count; ++i) Put(whole[i], panel, t + i / Count, n, i % Count);
    } else {
#pragma GCC unroll 24
      for (int i = 0; i < Rows * Count; ++i) {
        Put(sums[i / Count][i % Count], panel, t + i / Count, n, i % Count);
      }
    }
  }

  template <int Rows, int Count>
  [[gnu::always_inline]] void AddProducts(const std::byte* row, const std::byte* w, int64_t stride,
                                          int64_t k, Sum (&sums)[Rows][Count]) const {
    typename A::Columns columns_of_w[Count];
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) {
      columns_of_w[i] = A::LoadColumns(w + i * stride + k / A::kJoined * A::kStepBytes);
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const auto factor = A::Broadcast(row + r * A::kRowBytes + k * A::kElementBytes);
#pragma GCC unroll 4
      for (int i = 0; i < Count; ++i) {
        sums[r][i] = A::MulAdd(factor, columns_of_w[i], sums[r][i]);
      }
    }
  }

  /// The sum of row t and of the columns of the i-th panel from `panel` and column n on.
  [[gnu::always_inline]] void Put(const Sum& sum, const std::byte* panel, int64_t t, int64_t n,
                                  int64_t i) const {
    V result = A::Finish(sum, x + t * A::kRowBytes, panel + i * A::PanelBytes(depth));
    float* to = y + t * y_stride + n + i * kPanel;
    const int64_t left = columns - n - i * kPanel;
    if (adds) result = LoadUpTo<V>(to, left) + result;
    StoreUpTo(result, to, left);
  }

  /// One line of each panel; a step of bfloat16 pairs, or of four int8, is one.
  template <int Count>
  [[gnu::always_inline]] static void Fetch(const std::byte* w, int64_t stride) {
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) __builtin_prefetch(w + i * stride, 0, 2);
  }

  /// Has one line of each row fetched.
  template <int Rows>
  [[gnu::always_inline]] static void Touch(const std::byte* first, int64_t stride) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) __builtin_prefetch(first + r * stride);
  }
};

}  // namespace baton::kernels::cpu
