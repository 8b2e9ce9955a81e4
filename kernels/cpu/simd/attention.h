#pragma once

#include "../isa.h"
#include "exp.h"
#include "kv_tile.h"
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

  static int64_t ScratchBytes(const ops::PagedAttentionParams& p, const AttentionUnit& largest) {
    const int64_t width = (p.kv.D + kLanes - 1) / kLanes * kLanes;
    const int64_t rows = largest.tokens * (p.H / p.kv.G);
    return (KvTile<V>::Scratch(width) + rows * (2 * width + kLanes + kTile + 1)) *
           int64_t{sizeof(float)};
  }

 private:
  static constexpr int64_t kTile = kTilePositions;
  static constexpr int kLanes = V::kLanes;
  static constexpr float kLowest = -__builtin_inff();

  Attention(const ops::PagedAttentionParams& params, const AttentionUnit& attention_unit,
            float* scratch)
      : p_(params),
        unit_(attention_unit),
        group_(params.H / params.kv.G),
        rows_(attention_unit.tokens * group_),
        width_((params.kv.D + kLanes - 1) / kLanes * kLanes),
        kv_(params.kv, params.batch.block_tables + attention_unit.s * params.batch.table_stride,
            attention_unit.g, scratch),
        q_(scratch + KvTile<V>::Scratch(width_)),
        values_(q_ + rows_ * width_),
        sums_(values_ + rows_ * width_),
        weights_(sums_ + rows_ * kLanes),
        largest_(weights_ + rows_ * kTile) {}

  void AttendAll() {
    // 1. Queries, padded to whole vectors; no state yet.
    for (int64_t r = 0; r < rows_; ++r) LoadQuery(r);
    // 2. Every tile that any row can see, while the next one is fetched.
    const int64_t first = FirstOf(unit_.first_position);
    const int64_t end = unit_.first_position + unit_.tokens;
    for (int64_t tile = first / kTile * kTile; tile < end; tile += kTile) {
      const int64_t tile_end = tile + kTile < end ? tile + kTile : end;
      kv_.Prefetch(tile_end, tile_end + kTile < end ? tile_end + kTile : end);
      kv_.Read(tile, tile < first ? first : tile, tile_end);
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

  /// Rows of q that see positions [begin, end) of a tile, the same for all of them.
  struct Seen {
    int64_t r_begin = 0;
    int64_t r_end = 0;
    int begin = 0;
    int end = 0;
  };

  void AttendTile(int64_t tile, int64_t tile_end) {
    // 1. Scores of all rows by all positions of the tile, whether they see them or not.
    const int64_t t_first = tile > unit_.first_position ? tile - unit_.first_position : 0;
    const int64_t columns = (tile_end - tile + kLanes - 1) / kLanes * kLanes;
    const int64_t r_first = t_first * group_;
    kv_.Scores(q_ + r_first * width_, rows_ - r_first, columns, weights_ + r_first * kTile);
    // 2. Weights, for each row of what it sees.
    ForEachSeen(tile, tile_end, t_first, [&](const Seen& seen) {
      for (int64_t r = seen.r_begin; r < seen.r_end; ++r) ScoresToWeights(r, seen.begin, seen.end);
    });
    // 3. Values by weights.
    ForEachSeen(tile, tile_end, t_first, [&](const Seen& seen) {
      kv_.AddValues(weights_ + seen.r_begin * kTile, seen.r_end - seen.r_begin, seen.begin,
                    seen.end, values_ + seen.r_begin * width_);
    });
  }

  /// Calls f(Seen) for runs of rows that see the same part of the tile; for none that see nothing.
  template <class F>
  void ForEachSeen(int64_t tile, int64_t tile_end, int64_t t_first, F f) const {
    for (int64_t t = t_first; t < unit_.tokens;) {
      const Seen seen = SeenBy(t, tile, tile_end);
      int64_t next = t + 1;
      for (; next < unit_.tokens; ++next) {
        const Seen other = SeenBy(next, tile, tile_end);
        if (other.begin != seen.begin || other.end != seen.end) break;
      }
      if (seen.begin < seen.end) {
        f(Seen{
            .r_begin = t * group_, .r_end = next * group_, .begin = seen.begin, .end = seen.end});
      }
      t = next;
    }
  }

  Seen SeenBy(int64_t t, int64_t tile, int64_t tile_end) const {
    const int64_t position = unit_.first_position + t;
    const int64_t first = FirstOf(position);
    const int64_t end = position < tile_end ? position + 1 : tile_end;
    return {.begin = static_cast<int>(first > tile ? first - tile : 0),
            .end = static_cast<int>(end - tile)};
  }

  /// Replaces a row's scores by exp(score - largest), 0 for positions that it does not see; what
  /// was summed before shrinks where this tile holds the largest score so far.
  void ScoresToWeights(int64_t r, int begin, int end) {
    float* row = weights_ + r * kTile;
    V most = V::Broadcast(kLowest);
    for (int j = begin / kLanes * kLanes; j < end; j += kLanes) {
      V scores = V::Load(row + j) * V::Broadcast(p_.scale);
      if (p_.softcap > 0) scores = Capped(scores, p_.softcap);
      const int from = begin > j ? begin - j : 0;
      const int to = end - j < kLanes ? end - j : kLanes;
      if (from > 0 || to < kLanes) scores = V::Keep(scores, from, to, kLowest);
      scores.Store(row + j);
      most = V::Max(most, scores);
    }
    const float tile_largest = most.Max();
    V sum = V::Load(sums_ + r * kLanes);
    if (tile_largest > largest_[r]) {
      const V shrink = Exp(V::Broadcast(largest_[r]) - V::Broadcast(tile_largest));
      for (int64_t d = 0; d < width_; d += kLanes) {
        (V::Load(values_ + r * width_ + d) * shrink).Store(values_ + r * width_ + d);
      }
      sum = sum * shrink;
      largest_[r] = tile_largest;
    }
    for (int j = begin / kLanes * kLanes; j < end; j += kLanes) {
      const V weights = Exp(V::Load(row + j) - V::Broadcast(largest_[r]));
      weights.Store(row + j);
      sum = sum + weights;
    }
    sum.Store(sums_ + r * kLanes);
  }

  void StoreRow(int64_t r) const {
    const V inverse = V::Broadcast(1.0f / V::Load(sums_ + r * kLanes).Add());
    float* y = static_cast<float*>(p_.y) +
               ((unit_.first_row + r / group_) * p_.H + unit_.g * group_ + r % group_) * p_.kv.D;
    for (int64_t d = 0; d < width_; d += kLanes) {
      kv_.Put(V::Load(values_ + r * width_ + d) * inverse, y + d, p_.kv.D - d);
    }
  }

  const ops::PagedAttentionParams& p_;
  const AttentionUnit& unit_;
  const int32_t group_;  ///< Query heads per KV head.
  const int64_t rows_;   ///< Query tokens times group; row r is token r / group.
  const int64_t width_;  ///< D rounded up to whole vectors.
  KvTile<V> kv_;
  float* const q_;        ///< [rows, width]
  float* const values_;   ///< [rows, width]: weighted sums of V so far.
  float* const sums_;     ///< [rows, kLanes]: sums of the weights so far, by lane.
  float* const weights_;  ///< [rows, kTile]: scores, then weights, of this tile.
  float* const largest_;  ///< [rows]: largest score so far.
};

}  // namespace baton::kernels::cpu
