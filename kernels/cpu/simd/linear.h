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

  /// sums[r][c] += x[r] . w[c] over K elements, for `Rows` rows and `Cols` columns.
  template <class W, int Rows, int Cols>
  static void Accumulate(const float* x, int64_t x_stride, const W* w, int64_t w_stride, int64_t K,
                         float* sums) {
    V acc[Rows][Cols];
    for (int i = 0; i < Rows * Cols; ++i) acc[i / Cols][i % Cols] = V::Load(sums + i * kLanes);
    int64_t k = 0;
    for (; k + kLanes <= K; k += kLanes) {
      V row[Rows];
      for (int r = 0; r < Rows; ++r) row[r] = V::Load(x + r * x_stride + k);
      for (int c = 0; c < Cols; ++c) {
        const V col = V::Load(w + c * w_stride + k);
        for (int r = 0; r < Rows; ++r) acc[r][c] = V::MulAdd(row[r], col, acc[r][c]);
      }
    }
    if (k < K) {
      for (int c = 0; c < Cols; ++c) {
        const V col = V::LoadPart(w + c * w_stride + k, K - k);
        for (int r = 0; r < Rows; ++r) {
          acc[r][c] = V::MulAdd(V::LoadPart(x + r * x_stride + k, K - k), col, acc[r][c]);
        }
      }
    }
    for (int i = 0; i < Rows * Cols; ++i) acc[i / Cols][i % Cols].Store(sums + i * kLanes);
  }

  template <class W, int Cols>
  static void AccumulateRows(int64_t rows, const float* x, int64_t x_stride, const W* w,
                             int64_t w_stride, int64_t K, float* sums) {
    if constexpr (kRows >= 4) {
      if (rows == 4) return Accumulate<W, 4, Cols>(x, x_stride, w, w_stride, K, sums);
      if (rows == 3) return Accumulate<W, 3, Cols>(x, x_stride, w, w_stride, K, sums);
    }
    if constexpr (kRows >= 2) {
      if (rows == 2) return Accumulate<W, 2, Cols>(x, x_stride, w, w_stride, K, sums);
    }
    Accumulate<W, 1, Cols>(x, x_stride, w, w_stride, K, sums);
  }

  static void Clear(float* sums, int64_t vectors) {
    for (int64_t i = 0; i < vectors; ++i) V::Zero().Store(sums + i * kLanes);
  }

  /// y[r][c] = the folded sums[r][c].
  static void Fold(const float* sums, int64_t rows, int64_t cols, float* y, int64_t y_stride) {
    for (int64_t i = 0; i < rows * cols; i += kLanes) {
      V group[kLanes];
      const int64_t n = rows * cols - i < kLanes ? rows * cols - i : kLanes;
      for (int64_t j = 0; j < kLanes; ++j)
        group[j] = V::Load(sums + (i + (j < n ? j : 0)) * kLanes);
      float folded[kLanes];
      V::AddEach(group).Store(folded);
      for (int64_t j = 0; j < n; ++j) y[(i + j) / cols * y_stride + (i + j) % cols] = folded[j];
    }
  }

  /// Few rows: w is read once, straight into the registers.
  template <class W>
  static void FewRows(const ops::LinearParams& p, const W* w, int64_t n_begin, int64_t n_end) {
    float sums[kTile * kLanes];
    for (int64_t n = n_begin; n < n_end;) {
      const int64_t cols = n_end - n >= kCols ? kCols : 1;
      for (int64_t t = 0; t < p.T; t += kRows) {
        const int64_t rows = p.T - t < kRows ? p.T - t : kRows;
        const float* x = p.x + t * p.x_stride;
        Clear(sums, rows * cols);
        if (cols == kCols) {
          AccumulateRows<W, kCols>(rows, x, p.x_stride, w + n * p.K, p.K, p.K, sums);
        } else {
          AccumulateRows<W, 1>(rows, x, p.x_stride, w + n * p.K, p.K, p.K, sums);
        }
        Fold(sums, rows, cols, p.y + t * p.y_stride + n, p.y_stride);
      }
      n += cols;
    }
  }

  /// Many rows: kCols rows of w at a time are widened, kLinearBlockK wide, and used for a panel of
  /// kLinearPanelT rows of x; the partial sums wait in `scratch` between blocks of K.
  template <class W>
  static void ManyRows(const ops::LinearParams& p, const W* w, int64_t n_begin, int64_t n_end,
                       float* scratch) {
    float* wide = scratch;
    float* sums = scratch + kCols * kLinearBlockK;
    for (int64_t t_begin = 0; t_begin < p.T; t_begin += kLinearPanelT) {
      const int64_t t_end = t_begin + kLinearPanelT < p.T ? t_begin + kLinearPanelT : p.T;
      for (int64_t n = n_begin; n < n_end; n += kCols) {
        const int64_t cols = n_end - n < kCols ? n_end - n : kCols;
        Clear(sums, (t_end - t_begin + kRows) * kCols);
        for (int64_t k = 0; k < p.K; k += kLinearBlockK) {
          const int64_t width = p.K - k < kLinearBlockK ? p.K - k : kLinearBlockK;
          for (int64_t c = 0; c < kCols; ++c) {
            Widen(w + (n + (c < cols ? c : 0)) * p.K + k, wide + c * kLinearBlockK, width);
          }
          for (int64_t t = t_begin; t < t_end; t += kRows) {
            AccumulateRows<float, kCols>(t_end - t < kRows ? t_end - t : kRows,
                                         p.x + t * p.x_stride + k, p.x_stride, wide, kLinearBlockK,
                                         width, sums + (t - t_begin) * kCols * kLanes);
          }
        }
        FoldPanel(sums, t_end - t_begin, cols, p.y + t_begin * p.y_stride + n, p.y_stride);
      }
    }
  }

  static void FoldPanel(const float* sums, int64_t rows, int64_t cols, float* y, int64_t y_stride) {
    if (cols == kCols) return Fold(sums, rows, kCols, y, y_stride);
    for (int64_t r = 0; r < rows; ++r) {
      Fold(sums + r * kCols * kLanes, 1, cols, y + r * y_stride, y_stride);
    }
  }

  template <class W>
  static void Widen(const W* from, float* to, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) {
      StoreUpTo(LoadUpTo<V>(from + i, n - i), to + i, n - i);
    }
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
