#pragma once

#include "../isa.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Packed weights: blocks of kBlockK along K, the last one shorter; in each all panels of kPanel
/// columns, behind the last column zeros; in a panel its rows, one for each k.
template <class V>
struct Panels {
  static int64_t BlockDepth(int64_t K, int64_t k) { return K - k < kBlockK ? K - k : kBlockK; }

  /// Bytes of a panel of so many rows.
  template <class W>
  static int64_t Bytes(int64_t depth) {
    return depth * kPanel * static_cast<int64_t>(sizeof(W));
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
          PackPanel(w + k, p.w_row(), n_end - n, BlockDepth(p.K, k),
                    reinterpret_cast<W*>(p.packed + Begin<W>(p.N, p.K, k, n)));
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
};

}  // namespace baton::kernels::cpu
