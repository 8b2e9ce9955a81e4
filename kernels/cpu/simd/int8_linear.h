#pragma once

#include "../isa.h"
#include "linear.h"
#include "panels.h"
#include "rounded_row.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// y = x w^T with both rounded to eight bits, piece by piece of kBlockK along K. A piece's products
/// are summed in whole numbers, below 2^24 and so exact as a float32; these sums, each by the
/// scales of its row and its column, are added in order: the bits are those of every instruction
/// set.
template <class V>
struct Int8Linear {
  static_assert(kBlockK * 127 * 127 < 1 << 24, "a sum is a float32");
  using Ints = typename V::Ints;
  static constexpr int64_t kPair = 2;

  /// Of one block and row: the scale, and in the next cache line the elements.
  static std::byte* RowAt(const ops::LinearParams& p, std::byte* rounded, int64_t k, int64_t t) {
    return rounded + (k / kBlockK * p.T + t) * kRoundedRowBytes;
  }
  static constexpr int64_t kElementsAt = 64;

  static void RoundRows(const ops::LinearParams& p, int64_t t_begin, int64_t t_end,
                        std::byte* rounded) {
    for (int64_t t = t_begin; t < t_end; ++t) {
      const float* x = static_cast<const float*>(p.x) + t * p.x_stride;
      for (int64_t k = 0; k < p.K; k += kBlockK) {
        const int64_t depth = Panels<V>::BlockDepth(p.K, k);
        std::byte* row = RowAt(p, rounded, k, t);
        auto* elements = reinterpret_cast<int16_t*>(row + kElementsAt);
        *reinterpret_cast<float*>(row) = RoundedRow<V>::Round(x + k, depth, elements);
        if (depth % kPair != 0) elements[depth] = 0;
      }
    }
  }

  static void Run(const ops::LinearParams& p, const LinearRange& range, const std::byte* rounded) {
    for (int64_t k = 0; k < p.K; k += kBlockK) {
      const Part part{.x = RowAt(p, const_cast<std::byte*>(rounded), k, range.t_begin),
                      .y = static_cast<float*>(p.y) + range.t_begin * p.y_stride + range.n_begin,
                      .y_stride = p.y_stride,
                      .rows = range.t_end - range.t_begin,
                      .columns = range.n_end - range.n_begin,
                      .depth = Panels<V>::BlockDepth(p.K, k),
                      .adds = k > 0};
      part.Multiply(static_cast<const std::byte*>(p.w) +
                    Panels<V>::template Begin<int8_t>(p.N, p.K, k, range.n_begin));
    }
    if (p.bias == nullptr) return;
    WithType<V>(p.w_dtype,
                [&]<class W>() { Linear<V>::AddBias(p, range, static_cast<const W*>(p.bias)); });
  }

  /// Some rows and columns of y and one block of K.
  struct Part {
    const std::byte* x;  ///< [rows, kRoundedRowBytes]
    float* y;
    int64_t y_stride;
    int64_t rows;
    int64_t columns;
    int64_t depth;
    bool adds;  ///< To what is in y.

    /// `panel`: the first of the columns, the others behind it.
    void Multiply(const std::byte* panel) const {
      const int64_t tiles = (rows + V::kLinearRows - 1) / V::kLinearRows;
      const int64_t each = (rows + tiles - 1) / tiles;
      // All rows by a panel, which stays in the first-level cache.
      for (int64_t n = 0; n < columns; n += kPanel, panel += PanelBytes()) {
        for (int64_t t = 0; t < rows; t += each) {
          TileOf<V::kLinearRows>(panel, t, rows - t < each ? rows - t : each, n);
        }
      }
    }

    int64_t PanelBytes() const { return Panels<V>::template Bytes<int8_t>(depth); }

    /// REQUIRES: at most Rows rows.
    template <int Rows>
    void TileOf(const std::byte* panel, int64_t t, int64_t tile_rows, int64_t n) const {
      if constexpr (Rows > 1) {
        if (tile_rows < Rows) return TileOf<Rows - 1>(panel, t, tile_rows, n);
      }
      Tile<Rows>(panel, t, n);
    }

    template <int Rows>
    void Tile(const std::byte* panel, int64_t t, int64_t n) const {
      Ints sums[Rows];
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) sums[r] = Ints::Zero();
      const std::byte* row = x + t * kRoundedRowBytes;
      const std::byte* w = panel + Panels<V>::template kScaleBytes<int8_t>;
      for (int64_t k = 0; k < depth; k += kPair) {
        // The next panel is fetched while this one is read.
        if (t == 0) __builtin_prefetch(w + PanelBytes() + k * kPanel, 0, 2);
        AddProducts<Rows>(row, w, k, sums);
      }
      // Through memory and not unrolled, or the compiler spills sums already while they are made.
      int32_t whole[Rows][kPanel];
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) sums[r].Store(whole[r]);
      const V scales = V::Load(reinterpret_cast<const float*>(panel));
#pragma GCC unroll 1
      for (int r = 0; r < Rows; ++r) {
        const V scale = V::Broadcast(*reinterpret_cast<const float*>(row + r * kRoundedRowBytes));
        Put(V::FromInts(whole[r]) * (scales * scale), y + (t + r) * y_stride + n, columns - n);
      }
    }

    template <int Rows>
    [[gnu::always_inline]] static void AddProducts(const std::byte* row, const std::byte* w,
                                                   int64_t k, Ints (&sums)[Rows]) {
      const Ints columns_of_w = Ints::LoadPairs(w + k * kPanel);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
        const std::byte* pair = row + r * kRoundedRowBytes + kElementsAt + 2 * k;
        sums[r] = Ints::AddPairs(sums[r], Ints::BroadcastPair(pair), columns_of_w);
      }
    }

    void Put(V sum, float* to, int64_t left) const {
      if (adds) sum = LoadUpTo<V>(to, left) + sum;
      StoreUpTo(sum, to, left);
    }
  };
};

}  // namespace baton::kernels::cpu
