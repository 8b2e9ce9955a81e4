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
        width_((params.kv.D + kLanes - 1) / kLanes * kLanes),
        k_tile_(scratch),
        v_tile_(k_tile_ + kTile * width_),
        q_(v_tile_ + kTile * width_),
        values_(q_ + rows_ * width_),
        sums_(values_ + rows_ * width_),
        largest_(sums_ + rows_ * kLanes) {}

  void AttendAll() {
    // 1. Queries, padded to whole vectors; no state yet. The tiles' padding must be zero, and what
    //    lies in rows that no position fills must be a number.
    for (int64_t i = 0; i < 2 * kTile * width_; i += kLanes) V::Zero().Store(k_tile_ + i);
    for (int64_t r = 0; r < rows_; ++r) LoadQuery(r);
    // 2. Every tile that any row can see.
    const int64_t end = unit_.first_position + unit_.tokens;
    for (int64_t tile = FirstOf(unit_.first_position) / kTile * kTile; tile < end; tile += kTile) {
      const int64_t tile_end = tile + kTile < end ? tile + kTile : end;
      WidenTile(FirstOf(unit_.first_position), tile, tile_end);
      for (int64_t r = 0; r < rows_; ++r) AttendTile(r, tile, tile_end);
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
    const float* from =
        p_.q + (unit_.first_row + r / group_) * p_.q_stride + (unit_.g * group_ + r % group_) * D;
    for (int64_t d = 0; d < width_; d += kLanes) {
      LoadUpTo<V>(from + d, D - d).Store(q_ + r * width_ + d);
      V::Zero().Store(values_ + r * width_ + d);
    }
    V::Zero().Store(sums_ + r * kLanes);
    largest_[r] = kLowest;
  }

  void WidenTile(int64_t first, int64_t tile, int64_t tile_end) {
    const int32_t* table = p_.batch.block_tables + unit_.s * p_.batch.table_stride;
    for (int64_t j = tile < first ? first : tile; j < tile_end; ++j) {
      const auto bytes = static_cast<int64_t>(p_.kv.dtype == DType::kFloat32 ? 4 : 2);
      const std::byte* k = p_.kv.base + table[j / p_.kv.P] * p_.kv.block_stride +
                           (int64_t{unit_.g} * p_.kv.P + j % p_.kv.P) * p_.kv.D * bytes;
      WithType<V>(p_.kv.dtype, [&]<class T>() {
        WidenRow(reinterpret_cast<const T*>(k), k_tile_ + (j - tile) * width_);
        WidenRow(reinterpret_cast<const T*>(k + p_.kv.v_offset), v_tile_ + (j - tile) * width_);
      });
    }
  }

  template <class T>
  void WidenRow(const T* from, float* to) const {
    for (int64_t d = 0; d < width_; d += kLanes) LoadUpTo<V>(from + d, p_.kv.D - d).Store(to + d);
  }

  void AttendTile(int64_t r, int64_t tile, int64_t tile_end) {
    const int64_t position = unit_.first_position + r / group_;
    const int64_t first = FirstOf(position);
    const int begin = static_cast<int>(first > tile ? first - tile : 0);
    const int end = static_cast<int>((position < tile_end ? position + 1 : tile_end) - tile);
    if (begin >= end) return;
    const V scores = V::Keep(Scores(q_ + r * width_) * V::Broadcast(p_.scale), begin, end, kLowest);
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
    (sum + weights).Store(sums_ + r * kLanes);
    float weight[kLanes];
    weights.Store(weight);
    AddValues(weight, begin, end, values_ + r * width_);
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
    float* y =
        p_.y + ((unit_.first_row + r / group_) * p_.H + unit_.g * group_ + r % group_) * p_.kv.D;
    for (int64_t d = 0; d < width_; d += kLanes) {
      StoreUpTo(V::Load(values_ + r * width_ + d) * inverse, y + d, p_.kv.D - d);
    }
  }

  const ops::PagedAttentionParams& p_;
  const AttentionUnit& unit_;
  const int32_t group_;   ///< Query heads per KV head.
  const int64_t rows_;    ///< Query tokens times group; row r is token r / group.
  const int64_t width_;   ///< D rounded up to whole vectors.
  float* const k_tile_;   ///< [kTile, width]
  float* const v_tile_;   ///< [kTile, width]
  float* const q_;        ///< [rows, width]
  float* const values_;   ///< [rows, width]: weighted sums of V so far.
  float* const sums_;     ///< [rows, kLanes]: sums of the weights so far, by lane.
  float* const largest_;  ///< [rows]: largest score so far.
};

}  // namespace baton::kernels::cpu
