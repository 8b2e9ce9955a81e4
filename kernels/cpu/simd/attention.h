#pragma once

#include "../isa.h"
#include "exp.h"
#include "kv_tile.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Online softmax over tiles of kTilePositions positions, aligned to absolute position. A row sees
/// the same tiles in the same order however its sequence was chunked or batched, and within a tile
/// only its own positions. Heads of a unit take turns at each tile, as their KV lies side by side.
template <class V>
class Attention {
 public:
  /// Units of so few rows, which are bound by memory, are of several heads.
  static constexpr int64_t kJoinedRows = V::kLinearRows;

  static void Run(const ops::PagedAttentionParams& p, const AttentionUnit& unit, float* scratch) {
    Attention(p, unit, scratch).AttendAll();
  }

  static int64_t ScratchBytes(const ops::PagedAttentionParams& p, const AttentionUnit& largest) {
    const int64_t width = (p.kv.D + kLanes - 1) / kLanes * kLanes;
    const int64_t of_head = largest.tokens * (p.H / p.kv.G);
    const int64_t joined = largest.heads * kJoinedRows;
    const int64_t rows = of_head > joined ? of_head : joined;
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
        all_rows_(attention_unit.heads * rows_),
        kv_(params.kv, params.batch.block_tables + attention_unit.s * params.batch.table_stride,
            scratch),
        q_(scratch + KvTile<V>::Scratch(width_)),
        values_(q_ + all_rows_ * width_),
        sums_(values_ + all_rows_ * width_),
        weights_(sums_ + all_rows_ * kLanes),
        largest_(weights_ + all_rows_ * kTile) {}

  void AttendAll() {
    // 1. Queries, padded to whole vectors; no state yet.
    for (int64_t r = 0; r < all_rows_; ++r) LoadQuery(r);
    // 2. Every tile that any row can see, of head after head, while the next one is fetched.
    const int64_t first = FirstOf(unit_.first_position);
    const int64_t end = unit_.first_position + unit_.tokens;
    for (int64_t tile = first / kTile * kTile; tile < end; tile += kTile) {
      const int64_t tile_end = tile + kTile < end ? tile + kTile : end;
      const int64_t begin = tile < first ? first : tile;
      for (int64_t head = 0; head < unit_.heads; ++head) {
        ExpectBehind(head, tile, end);
        kv_.Read(unit_.g + head, tile, begin, tile_end);
        AttendTile(head, tile, tile_end);
      }
    }
    // 3. Values over sums.
    for (int64_t r = 0; r < all_rows_; ++r) StoreRow(r);
  }

  /// What is read after the next head's part of a tile.
  void ExpectBehind(int64_t head, int64_t tile, int64_t end) {
    const int64_t behind = head + 2;
    const int64_t first = tile + behind / unit_.heads * kTile;
    const int64_t last = first + kTile < end ? first + kTile : end;
    kv_.Expect(unit_.g + behind % unit_.heads, first < end ? first : end, last);
  }

  /// The first position that a query at `position` sees.
  int64_t FirstOf(int64_t position) const {
    return p_.window > 0 && position >= p_.window ? position - p_.window + 1 : 0;
  }

  /// Of a row of q or y: the token, and which of its heads.
  int64_t TokenOf(int64_t r) const { return unit_.first_row + r % rows_ / group_; }
  int64_t HeadOf(int64_t r) const { return (unit_.g + r / rows_) * group_ + r % group_; }

  void LoadQuery(int64_t r) {
    const int32_t D = p_.kv.D;
    const float* from = static_cast<const float*>(p_.q) + TokenOf(r) * p_.q_stride + HeadOf(r) * D;
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

  /// Of the unit's `head`-th head.
  void AttendTile(int64_t head, int64_t tile, int64_t tile_end) {
    // 1. Scores of all rows by all positions of the tile, whether they see them or not.
    const int64_t t_first = tile > unit_.first_position ? tile - unit_.first_position : 0;
    const int64_t columns = (tile_end - tile + kLanes - 1) / kLanes * kLanes;
    const int64_t r_begin = head * rows_;
    const int64_t r_first = r_begin + t_first * group_;
    kv_.FetchSome();
    kv_.Scores(q_ + r_first * width_, r_begin + rows_ - r_first, columns,
               weights_ + r_first * kTile);
    kv_.FetchSome();
    // 2. Weights, for each row of what it sees.
    ForEachSeen(r_begin, tile, tile_end, t_first, [&](const Seen& seen) {
      for (int64_t r = seen.r_begin; r < seen.r_end; ++r) ScoresToWeights(r, seen.begin, seen.end);
    });
    kv_.FetchRest();
    // 3. Values by weights.
    ForEachSeen(r_begin, tile, tile_end, t_first, [&](const Seen& seen) {
      kv_.AddValues(weights_ + seen.r_begin * kTile, seen.r_end - seen.r_begin, seen.begin,
                    seen.end, values_ + seen.r_begin * width_);
    });
  }

  /// Calls f(Seen) for runs of rows that see the same part of the tile; for none that see nothing.
  /// A head's rows begin with r_begin.
  template <class F>
  void ForEachSeen(int64_t r_begin, int64_t tile, int64_t tile_end, int64_t t_first, F f) const {
    // Those that see all of it are one run; of the others no two see the same.
    const int64_t all_begin = tile_end - 1 - unit_.first_position;
    const int64_t all_end =
        p_.window > 0 ? tile + p_.window - unit_.first_position : int64_t{unit_.tokens};
    for (int64_t t = t_first; t < unit_.tokens;) {
      const Seen seen = SeenBy(t, tile, tile_end);
      int64_t next = t + 1;
      if (t >= all_begin && t < all_end) next = all_end < unit_.tokens ? all_end : unit_.tokens;
      if (seen.begin < seen.end) {
        f(Seen{.r_begin = r_begin + t * group_,
               .r_end = r_begin + next * group_,
               .begin = seen.begin,
               .end = seen.end});
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
    float* y = static_cast<float*>(p_.y) + (TokenOf(r) * p_.H + HeadOf(r)) * p_.kv.D;
    for (int64_t d = 0; d < width_; d += kLanes) {
      kv_.Put(V::Load(values_ + r * width_ + d) * inverse, y + d, p_.kv.D - d);
    }
  }

  const ops::PagedAttentionParams& p_;
  const AttentionUnit& unit_;
  const int32_t group_;     ///< Query heads per KV head.
  const int64_t rows_;      ///< Query tokens times group, of a head; row r is token r / group.
  const int64_t width_;     ///< D rounded up to whole vectors.
  const int64_t all_rows_;  ///< Of all heads, one behind the other.
  KvTile<V> kv_;
  float* const q_;        ///< [all_rows, width]
  float* const values_;   ///< [all_rows, width]: weighted sums of V so far.
  float* const sums_;     ///< [all_rows, kLanes]: sums of the weights so far, by lane.
  float* const weights_;  ///< [all_rows, kTile]: scores, then weights, of this tile.
  float* const largest_;  ///< [all_rows]: largest score so far.
};

}  // namespace baton::kernels::cpu
