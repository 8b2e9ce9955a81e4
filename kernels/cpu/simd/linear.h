#pragma once

#include "../isa.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// y = x w^T. Lanes run along K: each y[t][n] has one vector of partial sums that takes K in order
/// and is folded once, so its bits do not depend on the tile that it is computed in.
template <class V>
struct Linear {
  static constexpr int kRows = V::kLinearRows;
  static constexpr int kCols = V::kLinearCols;
  static constexpr int kTile = kRows * kCols;
  static constexpr int kLanes = V::kLanes;

  /// Rows of x that are used while they stay in the second-level cache. Many enough that w, read
  /// once for each panel, costs less than the sums.
  static int64_t PanelRows(int64_t K) {
    constexpr int64_t kPanelElements = 128 * 1024;
    constexpr int64_t kLeastRows = 32;
    const int64_t rows = kPanelElements / K / kRows * kRows;
    return rows < kLeastRows ? kLeastRows : rows;
  }

  static void Run(const ops::LinearParams& p, int64_t n_begin, int64_t n_end) {
    WithType<V>(p.w_dtype, [&]<class W>() {
      const auto* w = static_cast<const W*>(p.w);
      for (int64_t t = 0; t < p.T; t += PanelRows(p.K)) {
        const int64_t left = p.T - t;
        Panel(p, w, t, left < PanelRows(p.K) ? left : PanelRows(p.K), n_begin, n_end);
      }
      if (p.bias != nullptr) AddBias(p, static_cast<const W*>(p.bias), n_begin, n_end);
    });
  }

  template <class W>
  static void Panel(const ops::LinearParams& p, const W* w, int64_t t, int64_t rows,
                    int64_t n_begin, int64_t n_end) {
    int64_t n = n_begin;
    for (; n + kCols <= n_end; n += kCols) Columns<W, kCols>(p, w, t, rows, n);
    for (; n < n_end; ++n) Columns<W, 1>(p, w, t, rows, n);
  }

  /// All rows of the panel by `Cols` rows of w, which stay in the first-level cache.
  template <class W, int Cols>
  static void Columns(const ops::LinearParams& p, const W* w, int64_t t_begin, int64_t rows,
                      int64_t n) {
    for (int64_t t = t_begin; t < t_begin + rows; t += kRows) {
      Tile<W, Cols>(p, static_cast<const float*>(p.x) + t * p.x_stride, w + n * p.w_row(),
                    t_begin + rows - t, static_cast<float*>(p.y) + t * p.y_stride + n);
    }
  }

  template <class W, int Cols>
  static void Tile(const ops::LinearParams& p, const float* x, const W* w, int64_t rows, float* y) {
    if constexpr (kRows >= 4) {
      if (rows >= 4) return FixedTile<W, 4, Cols>(p, x, w, y);
      if (rows == 3) return FixedTile<W, 3, Cols>(p, x, w, y);
    }
    if constexpr (kRows >= 2) {
      if (rows >= 2) return FixedTile<W, 2, Cols>(p, x, w, y);
    }
    FixedTile<W, 1, Cols>(p, x, w, y);
  }

  template <class W, int Rows, int Cols>
  static void FixedTile(const ops::LinearParams& p, const float* x, const W* w, float* y) {
    V sums[Rows][Cols];
#pragma GCC unroll 24
    for (int i = 0; i < Rows * Cols; ++i) sums[i / Cols][i % Cols] = V::Zero();
    const int64_t w_row = p.w_row();
    int64_t k = 0;
    for (; k + kLanes <= p.K; k += kLanes) {
      MultiplyAdd<W, Rows, Cols>(x + k, p.x_stride, w + k, w_row, kLanes, sums);
    }
    if (k < p.K) MultiplyAdd<W, Rows, Cols>(x + k, p.x_stride, w + k, w_row, p.K - k, sums);
    Fold<Rows, Cols>(sums, y, p.y_stride);
  }

  /// sums[r][c] += x[r] * w[c], lane by lane, over the next n elements.
  template <class W, int Rows, int Cols>
  [[gnu::always_inline]] static void MultiplyAdd(const float* x, int64_t x_stride, const W* w,
                                                 int64_t w_stride, int64_t n,
                                                 V (&sums)[Rows][Cols]) {
    V row[Rows];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) row[r] = LoadUpTo<V>(x + r * x_stride, n);
#pragma GCC unroll 8
    for (int c = 0; c < Cols; ++c) {
      const V col = LoadUpTo<V>(w + c * w_stride, n);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) sums[r][c] = V::MulAdd(row[r], col, sums[r][c]);
    }
  }

  template <int Rows, int Cols>
  [[gnu::always_inline]] static void Fold(const V (&sums)[Rows][Cols], float* y, int64_t y_stride) {
    constexpr int kCount = Rows * Cols;
    float folded[(kCount + kLanes - 1) / kLanes * kLanes];
#pragma GCC unroll 2
    for (int i = 0; i < kCount; i += kLanes) {
      V group[kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; ++j) {
        group[j] = i + j < kCount ? sums[(i + j) / Cols][(i + j) % Cols] : V::Zero();
      }
      V::AddEach(group).Store(folded + i);
    }
    for (int r = 0; r < Rows; ++r) {
      for (int c = 0; c < Cols; ++c) y[r * y_stride + c] = folded[r * Cols + c];
    }
  }

  template <class W>
  static void AddBias(const ops::LinearParams& p, const W* bias, int64_t n_begin, int64_t n_end) {
    for (int64_t t = 0; t < p.T; ++t) {
      for (int64_t n = n_begin; n < n_end; n += kLanes) {
        float* y = static_cast<float*>(p.y) + t * p.y_stride + n;
        const V sum = LoadUpTo<V>(y, n_end - n) + LoadUpTo<V>(bias + n, n_end - n);
        StoreUpTo(sum, y, n_end - n);
      }
    }
  }
};

}  // namespace baton::kernels::cpu
