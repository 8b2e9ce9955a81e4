#pragma once

#include "../isa.h"
#include "exp.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Online softmax over tiles of kTilePositions positions, aligned to absolute position. A row sees
/// the same tiles in the same order however its sequence was chunked or batched, and within a tile
/// only its own positions.
template <class V>
class Attention {
 public:
  static void Run(const ops::PagedAttentionParams& p, const AttentionUnit& unit, float* scratch) {
    Attention(p, unit, scratch).AttendAll();
  }

 private:
  static constexpr int64_t kTile = kTilePositions;
  static constexpr int kLanes = V::kLanes;
  static_assert(kTile == kLanes, "the scores of a tile are one vector");
  static constexpr float kLowest = -__builtin_inff();

  Attention(const ops::PagedAttentionParams& params, const AttentionUnit& attention_unit,
            float* scratch)
      : p_(params),
        unit_(attention_unit),
        group_(params.H / params.kv.G),
        rows_(attention_unit.tokens * group_),
        row_bytes_(params.kv.D * (params.kv.dtype == DType::kFloat32 ? 4 : 2)),
        width_((params.kv.D + kLanes - 1) / kLanes * kLanes),
        k_tile_(scratch),
        v_tile_(k_tile_ + kTile * width_),
        q_(v_tile_ + kTile * width_),
        values_(q_ + rows_ * width_),
        sums_(values_ + rows_ * width_),
        weights_(sums_ + rows_ * kLanes),
        largest_(weights_ + rows_ * kLanes) {}

  void AttendAll() {
    // 1. Queries, padded to whole vectors; no state yet. The padding of the tiles must be zero.
    for (int64_t i = 0; i < 2 * kTile * width_; i += kLanes) V::Zero().Store(k_tile_ + i);
    for (int64_t r = 0; r < rows_; ++r) LoadQuery(r);
    // 2. Every tile that any row can see, while the next one is fetched.
    const int64_t first = FirstOf(unit_.first_position);
    const int64_t end = unit_.first_position + unit_.tokens;
    for (int64_t tile = first / kTile * kTile; tile < end; tile += kTile) {
      const int64_t tile_end = tile + kTile < end ? tile + kTile : end;
      PrefetchRows(tile_end, tile_end + kTile < end ? tile_end + kTile : end);
      WidenTile(tile, tile < first ? first : tile, tile_end);
      AttendTile(tile, tile_end);
    }
    // 3. Values over sums.
    for (int64_t r = 0; r < rows_; ++r) StoreRow(r);
  }

  /// The first position that a query at `position` sees.
  int64_t FirstOf(int64_t position) const {
    return p_.window > 0 && position >= p_.window ? position - p_.window + 1 : 0;
  }

  void LoadQuery(int64_t r) {
    const int32_t D = p_.kv.D;
    const float* from = static_cast<const float*>(p_.q) +
                        (unit_.first_row + r / group_) * p_.q_stride +
                        (unit_.g * group_ + r % group_) * D;
    for (int64_t d = 0; d < width_; d += kLanes) {
      LoadUpTo<V>(from + d, D - d).Store(q_ + r * width_ + d);
      V::Zero().Store(values_ + r * width_ + d);
    }
    V::Zero().Store(sums_ + r * kLanes);
    largest_[r] = kLowest;
  }

  /// Calls f(k, v, j, rows) for each run of rows of positions [begin, end) that share a block:
  /// the addresses of the keys and values of position j and of those after it.
  template <class F>
  void ForEachRun(int64_t begin, int64_t end, F f) const {
    const int32_t* table = p_.batch.block_tables + unit_.s * p_.batch.table_stride;
    const int64_t P = p_.kv.P;
    for (int64_t j = begin; j < end;) {
      const int64_t block = j / P;
      const int64_t run_end = (block + 1) * P < end ? (block + 1) * P : end;
      const std::byte* k = p_.kv.base + table[block] * p_.kv.block_stride +
                           (unit_.g * P + j - block * P) * row_bytes_;
      f(k, k + p_.kv.v_offset, j, run_end - j);
      j = run_end;
    }
  }

  /// Rows of a block lie together, but the next block is elsewhere: nothing else would fetch it.
  void PrefetchRows(int64_t begin, int64_t end) const {
    constexpr int64_t kCacheLine = 64;
    ForEachRun(begin, end, [&](const std::byte* k, const std::byte* v, int64_t, int64_t rows) {
      for (int64_t i = 0; i < rows * row_bytes_; i += kCacheLine) {
        __builtin_prefetch(k + i);
        __builtin_prefetch(v + i);
      }
    });
  }

  /// Keys and values of positions [begin, end) into the tile that starts at `tile`.
  void WidenTile(int64_t tile, int64_t begin, int64_t end) {
    ForEachRun(begin, end, [&](const std::byte* k, const std::byte* v, int64_t j, int64_t rows) {
      WithType<V>(p_.kv.dtype, [&]<class T>() {
        WidenRows(reinterpret_cast<const T*>(k), rows, k_tile_ + (j - tile) * width_);
        WidenRows(reinterpret_cast<const T*>(v), rows, v_tile_ + (j - tile) * width_);
      });
    });
  }

  template <class T>
  void WidenRows(const T* from, int64_t rows, float* to) const {
    for (int64_t row = 0; row < rows; ++row, from += p_.kv.D, to += width_) {
      for (int64_t d = 0; d < width_; d += kLanes) LoadUpTo<V>(from + d, p_.kv.D - d).Store(to + d);
    }
  }

  /// In three passes, so that the rows' long chains of dependent instructions overlap.
  void AttendTile(int64_t tile, int64_t tile_end) {
    ForEachRow(tile, tile_end, [&](int64_t r, int begin, int end) {
      V scores = Scores(q_ + r * width_) * V::Broadcast(p_.scale);
      if (p_.softcap > 0) scores = Capped(scores, p_.softcap);
      V::Keep(scores, begin, end, kLowest).Store(weights_ + r * kLanes);
    });
    ForEachRow(tile, tile_end, [&](int64_t r, int, int) { ScoresToWeights(r); });
    ForEachRow(tile, tile_end, [&](int64_t r, int begin, int end) {
      AddValues(weights_ + r * kLanes, begin, end, values_ + r * width_);
    });
  }

  /// Calls f(r, begin, end) for each row that sees positions [begin, end) of the tile.
  template <class F>
  void ForEachRow(int64_t tile, int64_t tile_end, F f) {
    for (int64_t t = 0; t < unit_.tokens; ++t) {
      const int64_t position = unit_.first_position + t;
      const int64_t first = FirstOf(position);
      const int begin = static_cast<int>(first > tile ? first - tile : 0);
      const int end = static_cast<int>((position < tile_end ? position + 1 : tile_end) - tile);
      if (begin >= end) continue;
      for (int64_t r = t * group_; r < (t + 1) * group_; ++r) f(r, begin, end);
    }
  }

  /// Replaces a row's scores by exp(score - largest); what was summed before shrinks where this
  /// tile holds the largest score so far.
  void ScoresToWeights(int64_t r) {
    const V scores = V::Load(weights_ + r * kLanes);
    const float tile_largest = scores.Max();
    V sum = V::Load(sums_ + r * kLanes);
    if (tile_largest > largest_[r]) {
      const V shrink = Exp(V::Broadcast(largest_[r]) - V::Broadcast(tile_largest));
      for (int64_t d = 0; d < width_; d += kLanes) {
        (V::Load(values_ + r * width_ + d) * shrink).Store(values_ + r * width_ + d);
      }
      sum = sum * shrink;
      largest_[r] = tile_largest;
    }
    const V weights = Exp(scores - V::Broadcast(largest_[r]));
    weights.Store(weights_ + r * kLanes);
    (sum + weights).Store(sums_ + r * kLanes);
  }

  /// q . k of each position of the tile.
  V Scores(const float* query) const {
    V dots[kLanes];
    for (int j = 0; j < kLanes; j += V::kDots) {
      V acc[V::kDots];
      for (int i = 0; i < V::kDots; ++i) acc[i] = V::Zero();
      for (int64_t d = 0; d < width_; d += kLanes) {
        const V part = V::Load(query + d);
        for (int i = 0; i < V::kDots; ++i) {
          acc[i] = V::MulAdd(part, V::Load(k_tile_ + (j + i) * width_ + d), acc[i]);
        }
      }
      for (int i = 0; i < V::kDots; ++i) dots[j + i] = acc[i];
    }
    return V::AddEach(dots);
  }

  /// to += the values of positions [begin, end) of the tile, in order, by their weights.
  void AddValues(const float* weight, int begin, int end, float* to) const {
    int64_t d = 0;
    while (d < width_) d += AddValueColumns<V::kValues>(weight, begin, end, d, to);
  }

  /// Takes `Columns` vectors of each value, or fewer where fewer are left. Returns the elements.
  template <int Columns>
  int64_t AddValueColumns(const float* weight, int begin, int end, int64_t d, float* to) const {
    if constexpr (Columns > 1) {
      if (width_ - d < Columns * kLanes) {
        return AddValueColumns<Columns / 2>(weight, begin, end, d, to);
      }
    }
    V acc[Columns];
    for (int i = 0; i < Columns; ++i) acc[i] = V::Load(to + d + i * kLanes);
    for (int j = begin; j < end; ++j) {
      const V w = V::Broadcast(weight[j]);
      for (int i = 0; i < Columns; ++i) {
        acc[i] = V::MulAdd(w, V::Load(v_tile_ + j * width_ + d + i * kLanes), acc[i]);
      }
    }
    for (int i = 0; i < Columns; ++i) acc[i].Store(to + d + i * kLanes);
    return Columns * kLanes;
  }

  void StoreRow(int64_t r) const {
    const V inverse = V::Broadcast(1.0f / V::Load(sums_ + r * kLanes).Add());
    float* y = static_cast<float*>(p_.y) +
               ((unit_.first_row + r / group_) * p_.H + unit_.g * group_ + r % group_) * p_.kv.D;
    for (int64_t d = 0; d < width_; d += kLanes) {
      StoreUpTo(V::Load(values_ + r * width_ + d) * inverse, y + d, p_.kv.D - d);
    }
  }

  const ops::PagedAttentionParams& p_;
  const AttentionUnit& unit_;
  const int32_t group_;      ///< Query heads per KV head.
  const int64_t rows_;       ///< Query tokens times group; row r is token r / group.
  const int64_t row_bytes_;  ///< Bytes of a row of the cache.
  const int64_t width_;      ///< D rounded up to whole vectors.
  float* const k_tile_;      ///< [kTile, width]
  float* const v_tile_;      ///< [kTile, width]
  float* const q_;           ///< [rows, width]
  float* const values_;      ///< [rows, width]: weighted sums of V so far.
  float* const sums_;        ///< [rows, kLanes]: sums of the weights so far, by lane.
  float* const weights_;     ///< [rows, kLanes]: scores, then weights, of this tile.
  float* const largest_;     ///< [rows]: largest score so far.
};

}  // namespace baton::kernels::cpu
