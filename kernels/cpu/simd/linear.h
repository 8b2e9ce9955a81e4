#pragma once

#include "../isa.h"
#include "panels.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// y = x w^T. Lanes run along N: each y[t][n] is a sum over each block of K, k by k, and these sums
/// are added block by block, so its bits do not depend on the tile that it is computed in.
template <class V>
struct Linear {
  static_assert(V::kLanes == kPanel, "a panel's row is one vector");

  static void Run(const ops::LinearParams& p, const LinearRange& range, float* scratch) {
    WithType<V>(p.w_dtype, [&]<class W>() {
      for (int64_t k = 0; k < p.K; k += kBlockK) Block<W>(p, range, k, scratch);
      if (p.bias != nullptr) AddBias(p, range, static_cast<const W*>(p.bias));
    });
  }

  /// What one block of K adds to the range.
  template <class W>
  static void Block(const ops::LinearParams& p, const LinearRange& range, int64_t k,
                    float* scratch) {
    const int64_t depth = Panels<V>::BlockDepth(p.K, k);
    const int64_t rows = range.t_end - range.t_begin;
    CopyRows(static_cast<const float*>(p.x) + range.t_begin * p.x_stride + k, p.x_stride, rows,
             depth, scratch);
    const Part<W> part{.x = scratch,
                       .y = static_cast<float*>(p.y) + range.t_begin * p.y_stride + range.n_begin,
                       .y_stride = p.y_stride,
                       .rows = rows,
                       .columns = range.n_end - range.n_begin,
                       .depth = depth,
                       .adds = k > 0};
    if (p.w_packed) {
      const int64_t begin = Panels<V>::Begin(p.N, p.K, k, range.n_begin);
      return part.Multiply(static_cast<const W*>(p.w) + begin);
    }
    // Panel by panel, each packed here.
    auto* panel = reinterpret_cast<W*>(scratch + rows * kBlockStride);
    for (int64_t n = 0; n < part.columns; n += kPanel) {
      Part<W> own = part;
      own.y += n;
      own.columns = part.columns - n < kPanel ? part.columns - n : kPanel;
      Panels<V>::PackPanel(static_cast<const W*>(p.w) + (range.n_begin + n) * p.w_row() + k,
                           p.w_row(), own.columns, depth, panel);
      own.Multiply(panel);
    }
  }

  /// Where the kernels find rows at strides that the compiler knows.
  static void CopyRows(const float* x, int64_t x_stride, int64_t rows, int64_t depth, float* to) {
    for (int64_t t = 0; t < rows; ++t, x += x_stride, to += kBlockStride) {
      for (int64_t k = 0; k < depth; k += V::kLanes)
        StoreUpTo(LoadUpTo<V>(x + k, depth - k), to + k, depth - k);
    }
  }

  /// Some rows and columns of y and one block of K.
  template <class W>
  struct Part {
    const float* x;  ///< [rows, kBlockStride]
    float* y;
    int64_t y_stride;
    int64_t rows;
    int64_t columns;
    int64_t depth;
    bool adds;  ///< To what is in y.

    /// `panels`: those of the columns, one behind the other.
    void Multiply(const W* panels) const {
      const int64_t tiles = (rows + V::kLinearRows - 1) / V::kLinearRows;
      const int64_t each = (rows + tiles - 1) / tiles;
      // All rows by a few panels, which stay in the first-level cache.
      const int64_t width = PanelsOfTile(each) * kPanel;
      for (int64_t n = 0; n < columns; n += width) {
        const int64_t n_end = columns - n < width ? columns : n + width;
        for (int64_t t = 0; t < rows; t += each) {
          MultiplyTile<V::kLinearRows>(panels, t, rows - t < each ? rows - t : each, n, n_end);
        }
      }
    }

    /// With fewer rows there are more panels, so that there are enough sums under way.
    static constexpr int PanelsOfTile(int64_t tile_rows) {
      const int64_t most = V::kLinearSums / tile_rows;
      return static_cast<int>(most < 1 ? 1 : most > 4 ? 4 : most);
    }

    /// Columns [n, n_end) of so many rows, at most Rows.
    template <int Rows>
    void MultiplyTile(const W* panels, int64_t t, int64_t tile_rows, int64_t n,
                      int64_t n_end) const {
      if constexpr (Rows > 1) {
        if (tile_rows < Rows) return MultiplyTile<Rows - 1>(panels, t, tile_rows, n, n_end);
      }
      constexpr int kPanels = PanelsOfTile(Rows);
      if (n_end - n == kPanels * kPanel) return Tile<Rows, kPanels>(panels + n * depth, t, n);
      for (; n < n_end; n += kPanel) Tile<Rows, 1>(panels + n * depth, t, n);
    }

    template <int Rows, int Count>
    void Tile(const W* w, int64_t t, int64_t n) const {
      V sums[Rows][Count];
#pragma GCC unroll 24
      for (int i = 0; i < Rows * Count; ++i) sums[i / Count][i % Count] = V::Zero();
      const float* row = x + t * kBlockStride;
#pragma GCC unroll 4
      for (int64_t k = 0; k < depth; ++k) {
        V columns_of_w[Count];
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i) {
          columns_of_w[i] = V::LoadPanel(w + (i * depth + k) * kPanel);
        }
#pragma GCC unroll 12
        for (int r = 0; r < Rows; ++r) {
          const V factor = V::Broadcast(row[r * kBlockStride + k]);
#pragma GCC unroll 4
          for (int i = 0; i < Count; ++i) {
            sums[r][i] = V::MulAdd(factor, columns_of_w[i], sums[r][i]);
          }
        }
      }
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i) {
          Put(sums[r][i], y + (t + r) * y_stride + n + i * kPanel, columns - n - i * kPanel);
        }
      }
    }

    void Put(V sum, float* to, int64_t left) const {
      if (adds) sum = LoadUpTo<V>(to, left) + sum;
      StoreUpTo(sum, to, left);
    }
  };

  template <class W>
  static void AddBias(const ops::LinearParams& p, const LinearRange& range, const W* bias) {
    for (int64_t t = range.t_begin; t < range.t_end; ++t) {
      for (int64_t n = range.n_begin; n < range.n_end; n += V::kLanes) {
        float* y = static_cast<float*>(p.y) + t * p.y_stride + n;
        const int64_t left = range.n_end - n;
        StoreUpTo(LoadUpTo<V>(y, left) + LoadUpTo<V>(bias + n, left), y, left);
      }
    }
  }
};

}  // namespace baton::kernels::cpu
