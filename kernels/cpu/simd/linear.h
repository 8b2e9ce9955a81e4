#pragma once

#include "../isa.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// y = x w^T. Lanes run along K: each y[t][n] has one vector of partial sums that takes K in order
/// and is folded once, so its bits depend neither on the tile it is in nor on how K is blocked.
template <class V>
struct Linear {
  static constexpr int kRows = V::kLinearRows;
  static constexpr int kCols = V::kLinearCols;
  static constexpr int kTile = kRows * kCols;
  static constexpr int kLanes = V::kLanes;

  /// sums[r][c] = x[r] . w[c] over K elements, added to what it held where `Resume` is set.
  /// REQUIRES: `Resume` only with K a multiple of kLanes.
  template <bool Resume, class W, int Rows, int Cols>
  static void Accumulate(const float* x, int64_t x_stride, const W* w, int64_t w_stride, int64_t K,
                         float* sums) {
    V acc[Rows][Cols];
#pragma GCC unroll 24
    for (int i = 0; i < Rows * Cols; ++i) {
      acc[i / Cols][i % Cols] = Resume ? V::Load(sums + i * kLanes) : V::Zero();
    }
    int64_t k = 0;
    for (; k + kLanes <= K; k += kLanes) {
      MultiplyAdd<W, Rows, Cols>(x + k, x_stride, w + k, w_stride, kLanes, acc);
    }
    if (!Resume && k < K) {
      MultiplyAdd<W, Rows, Cols>(x + k, x_stride, w + k, w_stride, K - k, acc);
    }
#pragma GCC unroll 24
    for (int i = 0; i < Rows * Cols; ++i) acc[i / Cols][i % Cols].Store(sums + i * kLanes);
  }

  template <class W, int Rows, int Cols>
  [[gnu::always_inline]] static void MultiplyAdd(const float* x, int64_t x_stride, const W* w,
                                                 int64_t w_stride, int64_t n,
                                                 V (&acc)[Rows][Cols]) {
    V row[Rows];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) row[r] = LoadUpTo<V>(x + r * x_stride, n);
#pragma GCC unroll 8
    for (int c = 0; c < Cols; ++c) {
      const V col = LoadUpTo<V>(w + c * w_stride, n);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) acc[r][c] = V::MulAdd(row[r], col, acc[r][c]);
    }
  }

  template <bool Resume, class W, int Cols>
  static void AccumulateRows(int64_t rows, const float* x, int64_t x_stride, const W* w,
                             int64_t w_stride, int64_t K, float* sums) {
    if constexpr (kRows >= 4) {
      if (rows >= 4) return Accumulate<Resume, W, 4, Cols>(x, x_stride, w, w_stride, K, sums);
      if (rows == 3) return Accumulate<Resume, W, 3, Cols>(x, x_stride, w, w_stride, K, sums);
    }
    if constexpr (kRows >= 2) {
      if (rows >= 2) return Accumulate<Resume, W, 2, Cols>(x, x_stride, w, w_stride, K, sums);
    }
    Accumulate<Resume, W, 1, Cols>(x, x_stride, w, w_stride, K, sums);
  }

  /// y[r][c] = the folded sums[r][c] of a tile, for the first `cols` of its `Cols` columns.
  template <int Cols>
  static void Fold(const float* sums, int64_t rows, int64_t cols, float* y, int64_t y_stride) {
    float folded[(kTile + kLanes - 1) / kLanes * kLanes];
    const int64_t count = rows * Cols;
    for (int64_t i = 0; i < count; i += kLanes) {
      V group[kLanes];
      for (int64_t j = 0; j < kLanes; ++j) {
        group[j] = V::Load(sums + (i + j < count ? i + j : i) * kLanes);
      }
      V::AddEach(group).Store(folded + i);
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) y[r * y_stride + c] = folded[r * Cols + c];
    }
  }

  /// Few rows: w is read once, straight into the registers.
  template <class W>
  static void FewRows(const ops::LinearParams& p, const W* w, int64_t n_begin, int64_t n_end) {
    int64_t n = n_begin;
    for (; n + kCols <= n_end; n += kCols) FewRowsOf<W, kCols>(p, w, n);
    for (; n < n_end; ++n) FewRowsOf<W, 1>(p, w, n);
  }

  /// All rows of x by `Cols` rows of w.
  template <class W, int Cols>
  static void FewRowsOf(const ops::LinearParams& p, const W* w, int64_t n) {
    alignas(64) float sums[kTile * kLanes];
    for (int64_t t = 0; t < p.T; t += kRows) {
      const int64_t rows = p.T - t < kRows ? p.T - t : kRows;
      AccumulateRows<false, W, Cols>(rows, p.x + t * p.x_stride, p.x_stride, w + n * p.K, p.K, p.K,
                                     sums);
      Fold<Cols>(sums, rows, Cols, p.y + t * p.y_stride + n, p.y_stride);
    }
  }

  /// Many rows: kCols rows of w at a time are widened, kLinearBlockK wide, and used for a panel of
  /// kLinearPanelT rows of x; the partial sums wait in `scratch` between blocks of K. Rows of x are
  /// padded with zeros to whole vectors, and so are those of w here: products of zeros change no
  /// sum.
  template <class W>
  static void ManyRows(const ops::LinearParams& p, const W* w, int64_t n_begin, int64_t n_end,
                       float* scratch) {
    float* wide = scratch;
    float* sums = scratch + kCols * kLinearBlockK;
    for (int64_t t_begin = 0; t_begin < p.T; t_begin += kLinearPanelT) {
      const int64_t rows = p.T - t_begin < kLinearPanelT ? p.T - t_begin : kLinearPanelT;
      const float* x = p.x + t_begin * p.x_stride;
      for (int64_t n = n_begin; n < n_end; n += kCols) {
        const int64_t cols = n_end - n < kCols ? n_end - n : kCols;
        for (int64_t k = 0; k < p.K; k += kLinearBlockK) {
          const int64_t width = p.K - k < kLinearBlockK ? p.K - k : kLinearBlockK;
          const int64_t padded = (width + kLanes - 1) / kLanes * kLanes;
          for (int64_t c = 0; c < kCols; ++c) {
            Widen(w + (n + (c < cols ? c : 0)) * p.K + k, wide + c * kLinearBlockK, width);
          }
          if (k == 0) {
            AccumulatePanel<false>(rows, x, p.x_stride, wide, padded, sums);
          } else {
            AccumulatePanel<true>(rows, x + k, p.x_stride, wide, padded, sums);
          }
        }
        FoldPanel(sums, rows, cols, p.y + t_begin * p.y_stride + n, p.y_stride);
      }
    }
  }

  template <bool Resume>
  static void AccumulatePanel(int64_t rows, const float* x, int64_t x_stride, const float* wide,
                              int64_t K, float* sums) {
    for (int64_t t = 0; t < rows; t += kRows) {
      AccumulateRows<Resume, float, kCols>(rows - t, x + t * x_stride, x_stride, wide,
                                           kLinearBlockK, K, sums + t * kCols * kLanes);
    }
  }

  static void FoldPanel(const float* sums, int64_t rows, int64_t cols, float* y, int64_t y_stride) {
    for (int64_t t = 0; t < rows; t += kRows) {
      Fold<kCols>(sums + t * kCols * kLanes, rows - t < kRows ? rows - t : kRows, cols,
                  y + t * y_stride, y_stride);
    }
  }

  /// Zeros follow up to a whole vector.
  template <class W>
  static void Widen(const W* from, float* to, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) LoadUpTo<V>(from + i, n - i).Store(to + i);
  }

  template <class W>
  static void AddBias(const ops::LinearParams& p, const W* bias, int64_t n_begin, int64_t n_end) {
    for (int64_t t = 0; t < p.T; ++t) {
      for (int64_t n = n_begin; n < n_end; n += kLanes) {
        float* y = p.y + t * p.y_stride + n;
        const V sum = LoadUpTo<V>(y, n_end - n) + LoadUpTo<V>(bias + n, n_end - n);
        StoreUpTo(sum, y, n_end - n);
      }
    }
  }

  static void Run(const ops::LinearParams& p, int64_t n_begin, int64_t n_end, float* scratch) {
    WithType<V>(p.w_dtype, [&]<class T>() {
      const auto* w = static_cast<const T*>(p.w);
      if (p.T < kLinearManyRows) {
        FewRows<T>(p, w, n_begin, n_end);
      } else {
        ManyRows<T>(p, w, n_begin, n_end, scratch);
      }
      if (p.bias != nullptr) AddBias<T>(p, static_cast<const T*>(p.bias), n_begin, n_end);
    });
  }
};

}  // namespace baton::kernels::cpu
