#pragma once

#include <type_traits>

#include "../isa.h"
#include "columns.h"
#include "product.h"
#include "rounded_row.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Packed weights: blocks of kBlockK along K, the last one shorter; in each all panels of kPanel
/// columns, behind the last column zeros; in a panel its rows, one for each k. Where both operands
/// are rounded, so many rows as are multiplied at once are joined to one, in which those of a
/// column lie side by side. A panel of int8 begins with the scales of its columns.
template <class V>
struct Panels {
  static int64_t BlockDepth(int64_t K, int64_t k) { return K - k < kBlockK ? K - k : kBlockK; }

  template <class W>
  static constexpr bool kScaled = sizeof(W) == 1;
  /// Before a panel's rows.
  template <class W>
  static constexpr int64_t kScaleBytes = kScaled<W> ? kPanel * sizeof(float) : 0;

  /// Bytes of a panel of so many rows, of which there is a multiple of Whole.
  template <class W, int64_t Whole = 1>
  static int64_t Bytes(int64_t depth) {
    return kScaleBytes<W> + RoundUp<Whole>(depth) * kPanel * static_cast<int64_t>(sizeof(W));
  }

  /// Bytes before the panel with column n of the block that begins at k.
  template <class W, int64_t Whole = 1>
  static int64_t Begin(int64_t N, int64_t K, int64_t k, int64_t n) {
    const int64_t panels = (N + kPanel - 1) / kPanel;
    return k / kBlockK * panels * Bytes<W, Whole>(kBlockK) +
           n / kPanel * Bytes<W, Whole>(BlockDepth(K, k));
  }

  template <int64_t Whole>
  static int64_t RoundUp(int64_t depth) {
    return (depth + Whole - 1) / Whole * Whole;
  }

  static void Pack(const ops::PackLinearParams& p, int64_t n_begin, int64_t n_end) {
    switch (p.packing) {
      case ops::Packing::kInt8: return PackRounded<int8_t, 1, 0>(p, n_begin, n_end);
      case ops::Packing::kW8A8:
        return PackRounded<int8_t, V::Ints::kJoined, V::Ints::kBias>(p, n_begin, n_end);
      case ops::Packing::kW16A16: return PackRounded<BFloat16, 2, 0>(p, n_begin, n_end);
      case ops::Packing::kNone:
      case ops::Packing::kExact: break;
    }
    WithType<V>(p.dtype, [&]<class W>() {
      ForEachPanel<W>(p, n_begin, n_end, [&](const W* w, int64_t k, int64_t n, int64_t depth) {
        PackPanel(w, p.w_row(), n_end - n, depth,
                  reinterpret_cast<W*>(p.packed + Begin<W>(p.N, p.K, k, n)));
      });
    });
  }

  /// Row n of a table that keeps its weights, widened.
  static void UnpackRow(const ops::EmbeddingParams& p, int64_t n, float* row) {
    if (p.table_packing == ops::Packing::kW16A16) return UnpackRowOf<BFloat16, 2>(p, n, row);
    WithType<V>(p.table_dtype, [&]<class W>() { UnpackRowOf<W, 1>(p, n, row); });
  }

  template <class W, int64_t Joined, int64_t Whole = Joined>
  static void UnpackRowOf(const ops::EmbeddingParams& p, int64_t n, float* row) {
    for (int64_t k = 0; k < p.E; k += kBlockK) {
      const int64_t depth = BlockDepth(p.E, k);
      const auto* panel = reinterpret_cast<const W*>(static_cast<const std::byte*>(p.table) +
                                                     Begin<W, Whole>(p.V, p.E, k, n));
      const auto column = static_cast<int>(n % kPanel);
      const int64_t place = Joined == 1 ? V::PanelPlace(column, panel) : column;
      W elements[kBlockK];
      for (int64_t i = 0; i < depth; ++i) {
        elements[i] = panel[(i / Joined * kPanel + place) * Joined + i % Joined];
      }
      for (int64_t i = 0; i < depth; i += V::kLanes) {
        StoreUpTo(LoadUpTo<V>(elements + i, depth - i), row + k + i, depth - i);
      }
    }
  }

  /// To panels of R as RoundPanel has them.
  template <class R, int64_t Joined, int Bias, int64_t Whole = Joined>
  static void PackRounded(const ops::PackLinearParams& p, int64_t n_begin, int64_t n_end) {
    WithType<V>(p.dtype, [&]<class W>() {
      ForEachPanel<W>(p, n_begin, n_end, [&](const W* w, int64_t k, int64_t n, int64_t depth) {
        RoundPanel<Joined, Bias, Whole>(
            w, p.w_row(), n_end - n, depth,
            reinterpret_cast<R*>(p.packed + Begin<R, Whole>(p.N, p.K, k, n)));
      });
    });
  }

  /// Calls f(w, k, n, depth) with the address of the first weight of each panel and block of K.
  template <class W, class F>
  static void ForEachPanel(const ops::PackLinearParams& p, int64_t n_begin, int64_t n_end, F f) {
    for (int64_t n = n_begin; n < n_end; n += kPanel) {
      const W* w = static_cast<const W*>(p.w) + n * p.w_row();
      for (int64_t k = 0; k < p.K; k += kBlockK) f(w + k, k, n, BlockDepth(p.K, k));
    }
  }

  /// `columns` rows of w to columns of a panel, zeros to the others where it has more.
  template <class W>
  static void PackPanel(const W* w, int64_t w_stride, int64_t columns, int64_t depth, W* panel) {
    const W zeros[kBlockK] = {};
    const W* rows[kPanel];
    for (int i = 0; i < kPanel; ++i) {
      rows[V::PanelPlace(i, panel)] = i < columns ? w + i * w_stride : zeros;
    }
    Columns<V, W>::Write(rows, depth, panel);
  }

  /// The same, rounded to R; `Joined` rows are one, and zeros make them a multiple of Whole. Of
  /// int8 the elements lie behind the columns' scales and are greater by Bias.
  template <int64_t Joined, int Bias, int64_t Whole, class R, class W>
  static void RoundPanel(const W* w, int64_t w_stride, int64_t columns, int64_t depth, R* panel) {
    if constexpr (std::is_same_v<R, BFloat16> && std::is_same_v<W, BFloat16> && Joined == 2) {
      return JoinPanel<Whole>(w, w_stride, columns, depth, panel);
    }
    auto* scales = reinterpret_cast<float*>(panel);
    R* elements = panel + kScaleBytes<R> / static_cast<int64_t>(sizeof(R));
    for (int i = 0; i < kPanel; ++i) {
      R rounded[kBlockK] = {};
      float column[kBlockK];
      for (int64_t k = 0; k < depth; k += V::kLanes) {
        StoreUpTo(i < columns ? LoadUpTo<V>(w + i * w_stride + k, depth - k) : V::Zero(),
                  column + k, depth - k);
      }
      if constexpr (kScaled<R>) {
        scales[i] = RoundedRow<V>::Round(column, depth, rounded);
        for (R& element : rounded) element = static_cast<R>(element + Bias);
      } else {
        for (int64_t k = 0; k < depth; k += V::kLanes) {
          StoreUpTo(LoadUpTo<V>(column + k, depth - k), rounded + k, depth - k);
        }
      }
      for (int64_t k = 0; k < RoundUp<Whole>(depth); ++k) {
        elements[(k / Joined * kPanel + i) * Joined + k % Joined] = rounded[k];
      }
    }
  }

  /// Pairs of rows that need no rounding.
  template <int64_t Whole>
  static void JoinPanel(const BFloat16* w, int64_t w_stride, int64_t columns, int64_t depth,
                        BFloat16* panel) {
    const BFloat16 zeros[kBlockK] = {};
    const BFloat16Pair* rows[kPanel];
    for (int i = 0; i < kPanel; ++i) {
      rows[i] = reinterpret_cast<const BFloat16Pair*>(i < columns ? w + i * w_stride : zeros);
    }
    auto* to = reinterpret_cast<BFloat16Pair*>(panel);
    Columns<V, BFloat16Pair>::Write(rows, depth / 2, to);
    for (int64_t k = depth / 2; k < RoundUp<Whole>(depth) / 2; ++k) {
      for (int i = 0; i < kPanel; ++i) {
        to[k * kPanel + i] = {2 * k < depth ? rows[i][k].first : BFloat16{}, BFloat16{}};
      }
    }
  }
};

}  // namespace baton::kernels::cpu
