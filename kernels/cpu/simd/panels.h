#pragma once

#include "../isa.h"
#include "rounded_row.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Packed weights: blocks of kBlockK along K, the last one shorter; in each all panels of kPanel
/// columns, behind the last column zeros; in a panel its rows, one for each k. With int8 a panel
/// begins with the scales of its columns, and has an even number of rows; with kW8A8 two rows are
/// one, of pairs, as they are multiplied.
template <class V>
struct Panels {
  static int64_t BlockDepth(int64_t K, int64_t k) { return K - k < kBlockK ? K - k : kBlockK; }

  template <class W>
  static constexpr bool kScaled = sizeof(W) == 1;
  /// Before a panel's rows.
  template <class W>
  static constexpr int64_t kScaleBytes = kScaled<W> ? kPanel * sizeof(float) : 0;

  /// Bytes of a panel of so many rows.
  template <class W>
  static int64_t Bytes(int64_t depth) {
    const int64_t odd = kScaled<W> ? depth % 2 : 0;
    return kScaleBytes<W> + (depth + odd) * kPanel * static_cast<int64_t>(sizeof(W));
  }

  /// Bytes before the panel with column n of the block that begins at k.
  template <class W>
  static int64_t Begin(int64_t N, int64_t K, int64_t k, int64_t n) {
    const int64_t panels = (N + kPanel - 1) / kPanel;
    return k / kBlockK * panels * Bytes<W>(kBlockK) + n / kPanel * Bytes<W>(BlockDepth(K, k));
  }

  static void Pack(const ops::PackLinearParams& p, int64_t n_begin, int64_t n_end) {
    WithType<V>(p.dtype, [&]<class W>() {
      for (int64_t n = n_begin; n < n_end; n += kPanel) {
        const W* w = static_cast<const W*>(p.w) + n * p.w_row();
        for (int64_t k = 0; k < p.K; k += kBlockK) {
          const int64_t depth = BlockDepth(p.K, k);
          if (p.packing == ops::Packing::kInt8) {
            RoundPanel<1>(w + k, p.w_row(), n_end - n, depth,
                          p.packed + Begin<int8_t>(p.N, p.K, k, n));
          } else if (p.packing == ops::Packing::kW8A8) {
            RoundPanel<2>(w + k, p.w_row(), n_end - n, depth,
                          p.packed + Begin<int8_t>(p.N, p.K, k, n));
          } else {
            PackPanel(w + k, p.w_row(), n_end - n, depth,
                      reinterpret_cast<W*>(p.packed + Begin<W>(p.N, p.K, k, n)));
          }
        }
      }
    });
  }

  /// `columns` rows of w to columns of a panel, zeros to the others where it has more.
  template <class W>
  static void PackPanel(const W* w, int64_t w_stride, int64_t columns, int64_t depth, W* panel) {
    for (int i = 0; i < kPanel; ++i) {
      W* to = panel + V::PanelPlace(i, panel);
      if (i < columns) {
        const W* from = w + i * w_stride;
        for (int64_t k = 0; k < depth; ++k) to[k * kPanel] = from[k];
      } else {
        for (int64_t k = 0; k < depth; ++k) to[k * kPanel] = W{};
      }
    }
  }

  /// The same, rounded to int8, behind the columns' scales; `Joined` rows are one.
  template <int Joined, class W>
  static void RoundPanel(const W* w, int64_t w_stride, int64_t columns, int64_t depth,
                         std::byte* panel) {
    auto* scales = reinterpret_cast<float*>(panel);
    auto* elements = reinterpret_cast<int8_t*>(panel + kScaleBytes<int8_t>);
    for (int i = 0; i < kPanel; ++i) {
      float column[kBlockK];
      for (int64_t k = 0; k < depth; k += V::kLanes) {
        StoreUpTo(i < columns ? LoadUpTo<V>(w + i * w_stride + k, depth - k) : V::Zero(),
                  column + k, depth - k);
      }
      int8_t rounded[kBlockK + 1];
      scales[i] = RoundedRow<V>::Round(column, depth, rounded);
      rounded[depth] = 0;
      for (int64_t k = 0; k < depth + depth % 2; ++k) {
        elements[(k / Joined * kPanel + i) * Joined + k % Joined] = rounded[k];
      }
    }
  }
};

}  // namespace baton::kernels::cpu
