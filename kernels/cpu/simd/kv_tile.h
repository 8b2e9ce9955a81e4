#pragma once

#include "../isa.h"
#include "fetch_ahead.h"
#include "product.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Keys and values of one head at kTilePositions positions, as products read them. Where V widens
/// pairs, those of bfloat16 stay sixteen bits: keys become columns by twos, in half as many steps,
/// and values are read where the cache has them. Others are widened to float32 first.
template <class V>
class KvTile {
 public:
  static constexpr int64_t kPositions = kTilePositions;

  /// Floats of scratch for heads of `width` elements, which are whole vectors.
  static constexpr int64_t Scratch(int64_t width) { return (V::kLanes + 2 * kPositions) * width; }

  KvTile(const ops::PagedKv& kv, const int32_t* table, float* scratch)
      : kv_(kv),
        table_(table),
        row_bytes_(kv.row_bytes()),
        width_((kv.D + kLanes - 1) / kLanes * kLanes),
        paired_(V::kWidensPairs && kv.dtype == DType::kBFloat16 && kv.D % kLanes == 0),
        rows_of_k_(scratch),
        k_tile_(rows_of_k_ + kLanes * width_),
        v_tile_(k_tile_ + kPositions * width_) {
    // Rows that are not read become columns with the others.
    for (int64_t i = 0; i < kLanes * width_; i += kLanes) V::Zero().Store(rows_of_k_ + i);
  }

  /// Reads positions [begin, end) of KV head g, of the tile that starts at `tile`.
  void Read(int64_t g, int64_t tile, int64_t begin, int64_t end) {
    g_ = g;
    tile_ = tile;
    for (int64_t j = begin / kLanes * kLanes; j < end; j += kLanes) {
      ReadKeys(j, begin > j ? begin : j, j + kLanes < end ? j + kLanes : end);
    }
    if (paired_) return;
    ForEachRun(g_, begin, end, [&](const std::byte*, const std::byte* v, int64_t j, int64_t n) {
      WidenRows(v, n, v_tile_ + (j - tile_) * width_);
    });
  }

  /// Positions [begin, end) of KV head g are to be read soon.
  void Expect(int64_t g, int64_t begin, int64_t end) {
    ahead_.Clear();
    ForEachRun(g, begin, end, [&](const std::byte* k, const std::byte* v, int64_t, int64_t rows) {
      ahead_.Add(k, rows * row_bytes_);
      ahead_.Add(v, rows * row_bytes_);
    });
  }
  /// Has some of what is expected fetched, or all that is left.
  void FetchSome() { ahead_.Fetch(kLinesAtOnce); }
  void FetchRest() { ahead_.Fetch(ahead_.kAll); }

  /// scores [rows, kPositions] = q [rows, width] by the keys, of the first `columns` positions.
  void Scores(const float* q, int64_t rows, int64_t columns, float* scores) const {
    if constexpr (V::kWidensPairs) {
      if (paired_) {
        return Product<V, BFloat16Pair>{.x = q,
                                        .x_stride = width_,
                                        .w = reinterpret_cast<const BFloat16Pair*>(k_tile_),
                                        .w_stride = kPositions,
                                        .y = scores,
                                        .y_stride = kPositions,
                                        .depth = kv_.D / 2,
                                        .adds = false}
            .Multiply(rows, columns);
      }
    }
    Product<V>{.x = q,
               .x_stride = width_,
               .w = k_tile_,
               .w_stride = kPositions,
               .y = scores,
               .y_stride = kPositions,
               .depth = kv_.D,
               .adds = false}
        .Multiply(rows, columns);
  }

  /// values [rows, width] += weights [rows, kPositions] by the values of positions [begin, end) of
  /// the tile. Their columns are in an order that Put() knows.
  void AddValues(const float* weights, int64_t rows, int begin, int end, float* values) const {
    if (!paired_) {
      return AddRun(v_tile_ + begin * width_, width_, weights + begin, rows, end - begin, values);
    }
    ForEachRun(g_, tile_ + begin, tile_ + end,
               [&](const std::byte*, const std::byte* v, int64_t j, int64_t n) {
                 AddRun(reinterpret_cast<const BFloat16*>(v), kv_.D, weights + (j - tile_), rows, n,
                        values);
               });
  }

  /// A vector of AddValues' sums to y, of which there are n elements left.
  void Put(V sums, float* y, int64_t n) const {
    if (!paired_) return StoreUpTo(sums, y, n);
    float lanes[kLanes];
    sums.Store(lanes);
    const BFloat16* of_values = nullptr;
    for (int i = 0; i < kLanes; ++i) y[V::PanelPlace(i, of_values)] = lanes[i];
  }

 private:
  static constexpr int kLanes = V::kLanes;
  static_assert(kPositions % kLanes == 0, "the scores of a tile are whole vectors");
  /// Between two things that are done with a tile, and while 8 rows of keys become columns: half of
  /// a tile of bfloat16.
  static constexpr int kLinesAtOnce = 24;
  static constexpr int kLinesOfColumns = 8;

  /// Calls f(k, v, j, rows) for each run of rows of positions [begin, end) that share a block:
  /// the addresses of the keys and values of position j and of those after it.
  template <class F>
  void ForEachRun(int64_t g, int64_t begin, int64_t end, F f) const {
    const int64_t P = kv_.P;
    for (int64_t j = begin; j < end;) {
      const int64_t block = j / P;
      const int64_t run_end = (block + 1) * P < end ? (block + 1) * P : end;
      const std::byte* k =
          kv_.base + table_[block] * kv_.block_stride + (g * P + j - block * P) * row_bytes_;
      f(k, k + kv_.v_offset, j, run_end - j);
      j = run_end;
    }
  }

  /// Keys of positions [begin, end) of the kLanes from j on, a column for each.
  void ReadKeys(int64_t j, int64_t begin, int64_t end) {
    // The elements of a row, in floats; of a whole vector of rows that share a block, where they
    // lie.
    const int64_t elements = paired_ ? kv_.D / 2 : width_;
    const float* rows = rows_of_k_;
    int64_t stride = width_;
    ForEachRun(g_, begin, end, [&](const std::byte* k, const std::byte*, int64_t i, int64_t n) {
      float* to = rows_of_k_ + (i - j) * width_;
      if (!paired_) return WidenRows(k, n, to);
      if (n == kLanes) {
        rows = reinterpret_cast<const float*>(k);
        stride = elements;
        return;
      }
      for (int64_t row = 0; row < n; ++row, k += row_bytes_, to += width_) {
        __builtin_memcpy(to, k, static_cast<size_t>(row_bytes_));
      }
    });
    for (int64_t d = 0; d < elements; d += 8) {
      ahead_.Fetch(kLinesOfColumns);
      V::TransposeEights(rows + d, stride, k_tile_ + d * kPositions + (j - tile_), kPositions);
    }
  }

  void WidenRows(const std::byte* rows, int64_t n, float* to) const {
    if (kv_.dtype == DType::kInt8) return ScaleRows(rows, n, to);
    WithType<V>(kv_.dtype, [&]<class T>() {
      const auto* from = reinterpret_cast<const T*>(rows);
      for (int64_t row = 0; row < n; ++row, from += kv_.D, to += width_) {
        for (int64_t d = 0; d < width_; d += kLanes) {
          LoadUpTo<V>(from + d, kv_.D - d).Store(to + d);
        }
      }
    });
  }

  /// The same of int8 rows, each with its scale behind it.
  void ScaleRows(const std::byte* rows, int64_t n, float* to) const {
    const int64_t D = kv_.D;
    for (int64_t row = 0; row < n; ++row, rows += row_bytes_, to += width_) {
      float scale;
      __builtin_memcpy(&scale, rows + D, sizeof scale);
      const auto* from = reinterpret_cast<const int8_t*>(rows);
      for (int64_t d = 0; d < width_; d += kLanes) {
        (LoadUpTo<V>(from + d, D - d) * V::Broadcast(scale)).Store(to + d);
      }
    }
  }

  template <class W>
  void AddRun(const W* v, int64_t v_stride, const float* weights, int64_t rows, int64_t positions,
              float* values) const {
    Product<V, W>{.x = weights,
                  .x_stride = kPositions,
                  .w = v,
                  .w_stride = v_stride,
                  .y = values,
                  .y_stride = width_,
                  .depth = positions,
                  .adds = true}
        .Multiply(rows, width_);
  }

  const ops::PagedKv& kv_;
  const int32_t* const table_;  ///< The sequence's blocks.
  const int64_t row_bytes_;     ///< Of a row of the cache.
  const int64_t width_;         ///< D rounded up to whole vectors.
  const bool paired_;
  float* const rows_of_k_;  ///< [kLanes, width]: keys before they are columns.
  float* const k_tile_;     ///< [width, kPositions]; of pairs half of it
  float* const v_tile_;     ///< [kPositions, width]
  FetchAhead<2 * kPositions> ahead_;
  int64_t g_ = 0;     ///< KV head of the tile.
  int64_t tile_ = 0;  ///< Its first position.
};

}  // namespace baton::kernels::cpu
