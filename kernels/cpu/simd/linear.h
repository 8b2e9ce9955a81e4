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

  template <class W>
  struct Part;

  static void Run(const ops::LinearParams& p, const LinearRange& range, float* scratch) {
    WithType<V>(p.w_dtype, [&]<class W>() {
      for (int64_t k = 0; k < p.K; k += kBlockK) {
        p.w_packing == ops::Packing::kInt8 ? Block<int8_t>(p, range, k, scratch)
                                           : Block<W>(p, range, k, scratch);
      }
      if (p.bias != nullptr) AddBias(p, range, static_cast<const W*>(p.bias));
    });
  }

  /// What one block of K adds to the range.
  template <class W>
  static void Block(const ops::LinearParams& p, const LinearRange& range, int64_t k,
                    float* scratch) {
    const int64_t rows = range.t_end - range.t_begin;
    const Part<W> part{.x = scratch,
                       .y = static_cast<float*>(p.y) + range.t_begin * p.y_stride + range.n_begin,
                       .y_stride = p.y_stride,
                       .rows = rows,
                       .columns = range.n_end - range.n_begin,
                       .depth = Panels<V>::BlockDepth(p.K, k),
                       .adds = k > 0};
    CopyRows(static_cast<const float*>(p.x) + range.t_begin * p.x_stride + k, p.x_stride, rows,
             part.depth, scratch);
    if (p.w_packing != ops::Packing::kNone) {
      const auto* packed = static_cast<const std::byte*>(p.w);
      const auto panels_at = [&](int64_t k_begin) {
        return packed + Panels<V>::template Begin<W>(p.N, p.K, k_begin, range.n_begin);
      };
      const int64_t next = k + kBlockK < p.K ? k + kBlockK : k;
      return part.Multiply(panels_at(k), panels_at(next));
    }
    if constexpr (!Panels<V>::template kScaled<W>) PackAndMultiply(p, range, k, part, scratch);
  }

  /// Panel by panel, each packed in `scratch` behind the rows.
  template <class W>
  static void PackAndMultiply(const ops::LinearParams& p, const LinearRange& range, int64_t k,
                              const Part<W>& part, float* scratch) {
    auto* panel = reinterpret_cast<W*>(scratch + part.rows * kBlockStride);
    const auto* bytes = reinterpret_cast<const std::byte*>(panel);
    for (int64_t n = 0; n < part.columns; n += kPanel) {
      Part<W> own = part;
      own.y += n;
      own.columns = part.columns - n < kPanel ? part.columns - n : kPanel;
      Panels<V>::PackPanel(static_cast<const W*>(p.w) + (range.n_begin + n) * p.w_row() + k,
                           p.w_row(), own.columns, part.depth, panel);
      own.Multiply(bytes, bytes);
    }
  }

  /// Where the kernels find rows at strides that the compiler knows.
  static void CopyRows(const float* x, int64_t x_stride, int64_t rows, int64_t depth, float* to) {
    for (int64_t t = 0; t < rows; ++t, x += x_stride, to += kBlockStride) {
      for (int64_t k = 0; k < depth; k += V::kLanes) {
        StoreUpTo(LoadUpTo<V>(x + k, depth - k), to + k, depth - k);
      }
    }
  }

  /// Panels that will be read next, of which each tile fetches a part while it computes: nothing
  /// else would, where the weights' memory and the sums take turns.
  struct Ahead {
    const std::byte* at;
    int64_t lines;  ///< For each kStretch of K.
  };
  static constexpr int64_t kStretch = 16;
  static constexpr int64_t kCacheLine = 64;

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

    /// `panels`: those of the columns, one behind the other. `next`: those after them.
    void Multiply(const std::byte* panels, const std::byte* next) const {
      const int64_t tiles = (rows + V::kLinearRows - 1) / V::kLinearRows;
      const int64_t each = (rows + tiles - 1) / tiles;
      // All rows by a few panels, which stay in the first-level cache.
      const int64_t width = PanelsOfTile(each) * kPanel;
      const int64_t bytes = Panels<V>::template Bytes<W>(depth);
      const int64_t stretches = tiles * ((depth + kStretch - 1) / kStretch);
      // One tile reads the panels at one go, which the processor sees by itself.
      const int64_t lines = rows == 1 ? 0 : PanelsOfTile(each) * bytes / kCacheLine / stretches + 1;
      for (int64_t n = 0; n < columns; n += width) {
        const int64_t n_end = columns - n < width ? columns : n + width;
        const std::byte* panel = panels + n / kPanel * bytes;
        Ahead ahead{.at = n_end < columns ? panel + width / kPanel * bytes : next, .lines = lines};
        for (int64_t t = 0; t < rows; t += each) {
          const int64_t tile_rows = rows - t < each ? rows - t : each;
          MultiplyTile<V::kLinearRows>(panel, ahead, {t, t + tile_rows, n, n_end});
          ahead.at += stretches / tiles * lines * kCacheLine;
        }
      }
    }

    /// With fewer rows there are more panels, so that there are enough sums under way.
    static constexpr int PanelsOfTile(int64_t tile_rows) {
      const int64_t most = V::kLinearSums / tile_rows;
      return static_cast<int>(most < 1 ? 1 : most > 4 ? 4 : most);
    }

    /// `range` within this part, of at most Rows rows.
    template <int Rows>
    void MultiplyTile(const std::byte* panel, const Ahead& ahead, LinearRange range) const {
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
        panel += Panels<V>::template Bytes<W>(depth);
      }
    }

    template <int Rows, int Count>
    void Tile(const std::byte* panel, Ahead ahead, int64_t t, int64_t n) const {
      V sums[Rows][Count];
#pragma GCC unroll 24
      for (int i = 0; i < Rows * Count; ++i) sums[i / Count][i % Count] = V::Zero();
      const float* row = x + t * kBlockStride;
      const auto* w = reinterpret_cast<const W*>(panel + Panels<V>::template kScaleBytes<W>);
      const int64_t stride = Panels<V>::template Bytes<W>(depth) / int64_t{sizeof(W)};
      Touch<Rows>(y + t * y_stride + n, y_stride);
      int64_t k = 0;
      for (; k + kStretch <= depth; k += kStretch) {
        // Rows of the next tile, and panels.
        Touch<Rows>(row + Rows * kBlockStride + k, kBlockStride);
        for (int64_t i = 0; i < ahead.lines; ++i, ahead.at += kCacheLine) {
          __builtin_prefetch(ahead.at, 0, 2);
        }
#pragma GCC unroll 4
        for (int64_t i = k; i < k + kStretch; ++i)
          AddProducts<Rows, Count>(row, w, stride, i, sums);
      }
      for (; k < depth; ++k) AddProducts<Rows, Count>(row, w, stride, k, sums);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i) {
          if constexpr (Panels<V>::template kScaled<W>) {
            const auto* scales =
                reinterpret_cast<const float*>(panel + i * Panels<V>::template Bytes<W>(depth));
            sums[r][i] = sums[r][i] * V::Load(scales);
          }
          Put(sums[r][i], y + (t + r) * y_stride + n + i * kPanel, columns - n - i * kPanel);
        }
      }
    }

    template <int Rows, int Count>
    [[gnu::always_inline]] void AddProducts(const float* row, const W* w, int64_t stride, int64_t k,
                                            V (&sums)[Rows][Count]) const {
      V columns_of_w[Count];
#pragma GCC unroll 4
      for (int i = 0; i < Count; ++i) columns_of_w[i] = V::LoadPanel(w + i * stride + k * kPanel);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
        const V factor = V::Broadcast(row[r * kBlockStride + k]);
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i) {
          sums[r][i] = V::MulAdd(factor, columns_of_w[i], sums[r][i]);
        }
      }
    }

    void Put(V sum, float* to, int64_t left) const {
      if (adds) sum = LoadUpTo<V>(to, left) + sum;
      StoreUpTo(sum, to, left);
    }
  };

  /// Has one line of each row fetched.
  template <int Rows>
  [[gnu::always_inline]] static void Touch(const float* first, int64_t stride) {
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) __builtin_prefetch(first + r * stride);
  }

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
