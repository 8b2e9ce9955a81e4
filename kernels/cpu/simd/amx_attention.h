#pragma once

#include "../isa.h"
#include "amx_kv.h"
#include "amx_operands.h"
#include "amx_tiles.h"
#include "attention.h"
#include "exp.h"

namespace baton::kernels::cpu::amx {

/// Attention as cpu/simd/attention.h has it, with products by tiles: q and the weights in three
/// terms of bfloat16. Of each tile of positions a row takes the products of those that it sees, and
/// zeros for the others; their sum begins at zero and is added to what was before. So its bits
/// depend on no other row.
class TileAttention {
 public:
  static constexpr int64_t kPositions = kTilePositions;
  static constexpr int kTerms = Exact::kTerms;

  static void Run(const ops::PagedAttentionParams& p, const AttentionUnit& unit, float* scratch) {
    if (KvTiles::Takes(p.kv)) {
      TileAttention(p, unit, reinterpret_cast<std::byte*>(scratch)).AttendAll();
      return;
    }
    AttentionUnit head = unit;
    for (head.heads = 1; head.g < unit.g + unit.heads; ++head.g) {
      Attention<Vec>::Run(p, head, scratch);
    }
  }

  static int64_t ScratchBytes(const ops::PagedAttentionParams& p, const AttentionUnit& largest) {
    const int64_t width = KvTiles::Width(p.kv.D);
    const int64_t of_rows = TilesOf(largest.tokens * (p.H / p.kv.G));
    const int64_t tiles = of_rows > largest.heads ? of_rows : largest.heads;
    const int64_t tiled = 2 * KvTiles::Scratch(width) + kTerms * kTileBytes +
                          tiles * (QueryBytes(width) + 2 * kTileBytes) +
                          (tiles + 2) * kTileRows * width * int64_t{sizeof(float)} +
                          tiles * kTileRows * (kPanel + 1) * int64_t{sizeof(float)};
    const int64_t untiled = Attention<Vec>::ScratchBytes(p, largest);
    return tiled > untiled ? tiled : untiled;
  }

 private:
  static constexpr int kLanes = Vec::kLanes;
  static constexpr float kLowest = -__builtin_inff();

  static int64_t TilesOf(int64_t rows) { return (rows + kTileRows - 1) / kTileRows; }
  /// Of a tile of rows of q.
  static int64_t QueryBytes(int64_t width) { return width / KvTiles::kStep * kTerms * kTileBytes; }

  TileAttention(const ops::PagedAttentionParams& params, const AttentionUnit& attention_unit,
                std::byte* scratch)
      : p_(params),
        unit_(attention_unit),
        group_(params.H / params.kv.G),
        rows_(attention_unit.tokens * group_),
        is_few_(rows_ <= kTileRows),
        tiles_(is_few_ ? attention_unit.heads : TilesOf(rows_)),
        width_(KvTiles::Width(params.kv.D)),
        kv_{{params.kv, TableOf(params, attention_unit), scratch},
            {params.kv, TableOf(params, attention_unit), scratch + KvTiles::Scratch(width_)}},
        q_(scratch + 2 * KvTiles::Scratch(width_)),
        split_(q_ + tiles_ * QueryBytes(width_)),
        scores_(reinterpret_cast<float*>(split_ + kTerms * kTileBytes)),
        part_(scores_ + tiles_ * kTileRows * kPositions),
        values_(part_ + 2 * kTileRows * width_),
        sums_(values_ + tiles_ * kTileRows * width_),
        largest_(sums_ + tiles_ * kTileRows * kLanes) {}

  static const int32_t* TableOf(const ops::PagedAttentionParams& p, const AttentionUnit& unit) {
    return p.batch.block_tables + unit.s * p.batch.table_stride;
  }

  void AttendAll() {
    // A few rows multiply keys as they lie by q as columns: tiles 0 and 1 are scores, a row for
    // each position, and 3 is of q; 4 is of keys or values, 5 to 7 of weights and 2 of what they
    // make.
    const TileScope::Tile columns{.row_bytes = rows_ * 4};
    const TileScope::Tile some{.rows = rows_};
    const TileScope::Tile few[8] = {columns, columns, some, columns, {}, some, some, some};
    const TileScope::Tile many[8] = {};
    const TileScope scope(is_few_ ? few : many);
    // 1. Queries in terms; no state yet.
    ForEachRow([&](int64_t r) { LayQuery(r); });
    if (is_few_) QueriesToColumns();
    // 2. Every tile that any row can see, while the next one is fetched.
    const int64_t first = FirstOf(unit_.first_position);
    const int64_t end = unit_.first_position + unit_.tokens;
    for (int64_t tile = first / kPositions * kPositions; tile < end; tile += kPositions) {
      const int64_t tile_end = tile + kPositions < end ? tile + kPositions : end;
      AttendTile({.first = tile,
                  .begin = tile < first ? first : tile,
                  .end = tile_end,
                  .next_end = tile_end + kPositions < end ? tile_end + kPositions : end});
    }
    // 3. Values over sums.
    ForEachRow([&](int64_t r) { StoreRow(r); });
  }

  /// Calls f(r) for each row of q: of a few the 16 i-th and later ones are those of the i-th head.
  template <class F>
  void ForEachRow(F f) const {
    for (int64_t i = 0; i < tiles_; ++i) {
      for (int64_t r = i * kTileRows; r < EndOf(i); ++r) f(r);
    }
  }
  /// Behind the last row of a tile.
  int64_t EndOf(int64_t i) const {
    if (is_few_) return i * kTileRows + rows_;
    return (i + 1) * kTileRows < rows_ ? (i + 1) * kTileRows : rows_;
  }

  /// The first position that a query at `position` sees.
  int64_t FirstOf(int64_t position) const {
    return p_.window > 0 && position >= p_.window ? position - p_.window + 1 : 0;
  }

  /// Row of q and y, counted by heads.
  int64_t HeadRowOf(int64_t r) const {
    const int64_t of_head = is_few_ ? r % kTileRows : r;
    const int64_t g = unit_.g + (is_few_ ? r / kTileRows : 0);
    return (unit_.first_row + of_head / group_) * p_.H + g * group_ + of_head % group_;
  }

  void LayQuery(int64_t r) {
    const int64_t row = HeadRowOf(r);
    const float* from =
        static_cast<const float*>(p_.q) + row / p_.H * p_.q_stride + row % p_.H * p_.kv.D;
    float* scaled = part_;
    for (int64_t d = 0; d < p_.kv.D; d += kLanes) {
      const int64_t left = p_.kv.D - d;
      (LoadUpTo<Vec>(from + d, left) * Vec::Broadcast(p_.scale)).Store(scaled + d);
    }
    std::byte* to = q_ + r / kTileRows * QueryBytes(width_) + r % kTileRows * kTileRowBytes;
    Exact::LayRow(scaled, p_.kv.D,
                  [&](int64_t step, int term) { return to + (step * kTerms + term) * kTileBytes; });
    for (int64_t d = 0; d < width_; d += kLanes) Vec::Zero().Store(values_ + r * width_ + d);
    Vec::Zero().Store(sums_ + r * kLanes);
    largest_[r] = kLowest;
  }

  /// Each tile of q to one with a column of pairs for each row.
  void QueriesToColumns() {
    for (std::byte* tile = q_; tile < q_ + tiles_ * QueryBytes(width_); tile += kTileBytes) {
      alignas(64) int32_t rows[kTileBytes / 4];
      __builtin_memcpy(rows, tile, sizeof rows);
      auto* columns = reinterpret_cast<int32_t*>(tile);
      for (int64_t pair = 0; pair < kTileRows; ++pair) {
        for (int64_t r = 0; r < rows_; ++r) columns[pair * rows_ + r] = rows[r * kTileRows + pair];
      }
    }
  }

  /// A tile of positions: what any row sees of it, and where the next one ends.
  struct Positions {
    int64_t first = 0;
    int64_t begin = 0;
    int64_t end = 0;
    int64_t next_end = 0;
  };

  /// Rows of a tile of rows that see some of a tile of positions.
  struct Seers {
    int64_t begin = 0;
    int64_t end = 0;
    float shrink[kTileRows];
  };

  void AttendTile(const Positions& tile) {
    // Rows are in order of their positions: those before see nothing of this tile, and with a
    // window some at the end see nothing that is so far back.
    const int64_t before = tile.first - unit_.first_position;
    const int64_t r_first = before > 0 ? before * group_ : 0;
    const int64_t r_end = SeersEnd(tile.end) * group_;
    const int64_t first = is_few_ ? 0 : r_first / kTileRows;
    const int64_t end = is_few_ ? tiles_ : TilesOf(r_end);
    // 1. Scores of all rows by all positions, whether they see them or not; weights, for each row
    // of what it sees; and values by them. The next products are under way while one's results are
    // worked on.
    Seers seers[2];
    Begin(first, end, tile);
    for (int64_t i = first; i < end; ++i) {
      Continue(i, first, end, tile);
      const int64_t shift = is_few_ ? i * kTileRows : 0;
      Seers& own = seers[i % 2];
      own.begin = i * kTileRows > shift + r_first ? i * kTileRows : shift + r_first;
      own.end = EndOf(i) < shift + r_end ? EndOf(i) : shift + r_end;
      for (int64_t r = i * kTileRows; r < own.begin; ++r) WeighNothing(r);
      WeighRows(own, shift, tile);
      for (int64_t r = own.end; r < EndOf(i); ++r) WeighNothing(r);
      if (i > first) AddValues(seers[(i - 1) % 2]);
      MultiplyValues(kv_[is_few_ ? i % 2 : 0], PartOf(i * kTileRows));
    }
    AddValues(seers[(end - 1) % 2]);
  }

  /// Keys, values and scores that come first.
  void Begin(int64_t first, int64_t end, const Positions& tile) {
    if (is_few_) return ReadHead(0, tile);
    kv_[0].Prefetch(unit_.g, tile.end, tile.next_end);
    kv_[0].Read(unit_.g, tile.first, tile.begin, tile.end);
    kv_[0].KeysToColumns();
    ScoreTwo(first, end);
  }

  /// Those that come behind those of the i-th tile of rows.
  void Continue(int64_t i, int64_t first, int64_t end, const Positions& tile) {
    if (is_few_) {
      if (i + 1 < end) ReadHead(i + 1, tile);
    } else if ((i - first) % 2 == 0) {
      ScoreTwo(i + 2, end);
    }
  }

  void ReadHead(int64_t i, const Positions& tile) {
    KvTiles& kv = kv_[i % 2];
    kv.Prefetch(unit_.g + i, tile.end, tile.next_end);
    kv.Read(unit_.g + i, tile.first, tile.begin, tile.end);
    ScoreFew(i, kv);
  }

  void WeighRows(Seers& seers, int64_t shift, const Positions& tile) {
    int64_t position = unit_.first_position + (seers.begin - shift) / group_;
    int64_t of_token = (seers.begin - shift) % group_;
    for (int64_t r = seers.begin; r < seers.end; ++r) {
      const int64_t seen = FirstOf(position);
      const int64_t end = position < tile.end ? position + 1 : tile.end;
      seers.shrink[r % kTileRows] =
          Weigh(r, seen > tile.first ? seen - tile.first : 0, end - tile.first);
      if (++of_token == group_) {
        of_token = 0;
        ++position;
      }
    }
  }

  /// Behind the last token that sees any position before tile_end.
  int64_t SeersEnd(int64_t tile_end) const {
    if (p_.window == 0) return unit_.tokens;
    const int64_t end = tile_end - 1 + p_.window - unit_.first_position;
    return end < unit_.tokens ? end : unit_.tokens;
  }

  /// Scores of the i-th tile of rows and of the next one, of those before `end`.
  void ScoreTwo(int64_t i, int64_t end) const {
    if (i + 1 < end) {
      ScoreTiles<2>(i);
    } else if (i < end) {
      ScoreTiles<1>(i);
    }
  }

  template <int Rows>
  void ScoreTiles(int64_t i) const {
    ZeroTile<0>();
    ZeroTile<1>();
    ZeroTile<2>();
    ZeroTile<3>();
    const std::byte* q = q_ + i * QueryBytes(width_);
    for (int64_t step = 0; step < width_ / KvTiles::kStep; ++step, q += kTerms * kTileBytes) {
      LoadTile<4>(kv_[0].Keys(step, 0));
      LoadTile<5>(kv_[0].Keys(step, 1));
      for (int term = 0; term < kTerms; ++term) {
        LoadTile<6>(q + term * kTileBytes);
        AddBFloat16<0, 6, 4>();
        AddBFloat16<1, 6, 5>();
        if constexpr (Rows == 2) {
          LoadTile<7>(q + term * kTileBytes + QueryBytes(width_));
          AddBFloat16<2, 7, 4>();
          AddBFloat16<3, 7, 5>();
        }
      }
    }
    constexpr int64_t kStride = kPositions * sizeof(float);
    float* scores = scores_ + i * kTileRows * kPositions;
    StoreTile<0>(scores, kStride);
    StoreTile<1>(scores + kLanes, kStride);
    if constexpr (Rows == 2) {
      StoreTile<2>(scores + kTileRows * kPositions, kStride);
      StoreTile<3>(scores + kTileRows * kPositions + kLanes, kStride);
    }
  }

  /// Scores [kPositions, rows] of a few rows of the i-th head. Keys do not become columns, as so
  /// few rows share them. The bits are the same: of each sum, the products have the same factors
  /// and places.
  void ScoreFew(int64_t i, const KvTiles& kv) const {
    ZeroTile<0>();
    ZeroTile<1>();
    const std::byte* q = q_ + i * QueryBytes(width_);
    const int64_t row_bytes = rows_ * 4;
    for (int64_t step = 0; step < width_ / KvTiles::kStep; ++step) {
      for (int term = 0; term < kTerms; ++term, q += kTileBytes) {
        LoadTile<3>(q, row_bytes);
        LoadTile<4>(kv.KeyRows(step, 0), kv.key_row_bytes());
        AddBFloat16<0, 4, 3>();
        LoadTile<4>(kv.KeyRows(step, 1), kv.key_row_bytes());
        AddBFloat16<1, 4, 3>();
      }
    }
    float* scores = scores_ + i * kTileRows * kPositions;
    StoreTile<0>(scores, row_bytes);
    StoreTile<1>(scores + kTileRows * rows_, row_bytes);
  }

  /// A row's scores of the first or second 16 positions.
  Vec ScoresOf(int64_t r, int half) const {
    if (!is_few_) return Vec::Load(scores_ + r * kPositions + half * kLanes);
    const float* from =
        scores_ + r / kTileRows * kTileRows * kPositions + half * kTileRows * rows_ + r % kTileRows;
    if (rows_ == 1) return Vec::Load(from);
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(rows_)));
    return {_mm512_i32gather_ps(at, from, 4)};
  }

  /// A row of weights in terms, for MultiplyValues().
  void Split(int64_t r, Vec first, Vec second) {
    std::byte* to = split_ + r % kTileRows * kTileRowBytes;
#pragma GCC unroll 3
    for (int term = 0; term < kTerms; ++term, to += kTileBytes) {
      _mm512_store_si512(to,
                         UpperHalves(_mm512_castps_si512(first.v), _mm512_castps_si512(second.v)));
      first.v = _mm512_sub_ps(first.v, SplitVector::Upper(first.v));
      second.v = _mm512_sub_ps(second.v, SplitVector::Upper(second.v));
    }
  }
  void WeighNothing(int64_t r) { Split(r, Vec::Zero(), Vec::Zero()); }

  /// A row's scores to weights exp(score - largest), 0 for positions outside [begin, end) of the
  /// tile. Returns by what its values so far are to be multiplied, as this tile may hold the
  /// largest score so far. REQUIRES: it sees one.
  float Weigh(int64_t r, int64_t begin, int64_t end) {
    const KvTiles& kv = kv_[is_few_ ? r / kTileRows % 2 : 0];
    const auto seen = static_cast<uint32_t>((uint64_t{1} << end) - (uint64_t{1} << begin));
    const auto first = static_cast<__mmask16>(seen);
    const auto second = static_cast<__mmask16>(seen >> kLanes);
    Vec a = ScoresOf(r, 0);
    Vec b = ScoresOf(r, 1);
    const bool is_scaled = p_.kv.dtype == DType::kInt8;
    if (is_scaled) {
      a = a * kv.KeyScales(0);
      b = b * kv.KeyScales(1);
    }
    if (p_.softcap > 0) {
      a = Capped(a, p_.softcap);
      b = Capped(b, p_.softcap);
    }
    const Vec lowest = Vec::Broadcast(kLowest);
    a.v = _mm512_mask_mov_ps(lowest.v, first, a.v);
    b.v = _mm512_mask_mov_ps(lowest.v, second, b.v);
    const float tile_largest = Vec::Max(a, b).Max();
    float shrink = 1;
    if (tile_largest > largest_[r]) {
      shrink = _mm512_cvtss_f32(Exp(Vec::Broadcast(largest_[r]) - Vec::Broadcast(tile_largest)).v);
      largest_[r] = tile_largest;
    }
    const Vec largest = Vec::Broadcast(largest_[r]);
    a = ExpOfSeen(a - largest, first);
    b = ExpOfSeen(b - largest, second);
    float* sum = sums_ + r * kLanes;
    (Vec::MulAdd(Vec::Load(sum), Vec::Broadcast(shrink), a) + b).Store(sum);
    if (is_scaled) {
      a = a * kv.ValueScales(0);
      b = b * kv.ValueScales(1);
    }
    Split(r, a, b);
    return shrink;
  }

  /// As Exp, of a <= 0 or NaN, in the lanes of `seen`; 0 in the others.
  [[gnu::always_inline]] static Vec ExpOfSeen(Vec a, __mmask16 seen) {
    const Vec x{_mm512_max_ps(_mm512_set1_ps(-87.33f), a.v)};
    const Vec n = Vec::Round(x * Vec::Broadcast(1.44269504f));
    Vec r = Vec::MulAdd(n, Vec::Broadcast(-0.693359375f), x);
    r = Vec::MulAdd(n, Vec::Broadcast(2.12194440e-4f), r);
    const Vec e = ExpOfRest(r);
    return {_mm512_maskz_scalef_ps(seen, e.v, n.v)};
  }

  /// part [16, width] = the weights that were split by the values.
  void MultiplyValues(const KvTiles& kv, float* part) const {
    LoadTile<5>(split_);
    LoadTile<6>(split_ + kTileBytes);
    LoadTile<7>(split_ + 2 * kTileBytes);
    const int64_t stride = width_ * int64_t{sizeof(float)};
    for (int64_t i = 0; i < width_ / kPanel; ++i) {
      ZeroTile<2>();
      LoadTile<4>(kv.Values(i));
      AddBFloat16<2, 5, 4>();
      AddBFloat16<2, 6, 4>();
      AddBFloat16<2, 7, 4>();
      StoreTile<2>(part + i * kPanel, stride);
    }
  }

  /// Two tiles of rows take turns.
  float* PartOf(int64_t r) const { return part_ + r / kTileRows % 2 * kTileRows * width_; }

  void AddValues(const Seers& seers) {
    for (int64_t r = seers.begin; r < seers.end; ++r) {
      const float* part = PartOf(r) + r % kTileRows * width_;
      const Vec shrink = Vec::Broadcast(seers.shrink[r % kTileRows]);
      float* values = values_ + r * width_;
      for (int64_t d = 0; d < width_; d += kLanes) {
        Vec::MulAdd(Vec::Load(values + d), shrink, Vec::Load(part + d)).Store(values + d);
      }
    }
  }

  void StoreRow(int64_t r) const {
    const Vec inverse = Vec::Broadcast(1.0f / Vec::Load(sums_ + r * kLanes).Add());
    float* y = static_cast<float*>(p_.y) + HeadRowOf(r) * p_.kv.D;
    for (int64_t d = 0; d < p_.kv.D; d += kLanes) {
      StoreUpTo(Vec::Load(values_ + r * width_ + d) * inverse, y + d, p_.kv.D - d);
    }
  }

  const ops::PagedAttentionParams& p_;
  const AttentionUnit& unit_;
  const int32_t group_;     ///< Query heads per KV head.
  const int64_t rows_;      ///< Query tokens times group; of one head row r is token r / group.
  const bool is_few_;       ///< Each tile of rows has those of a head.
  const int64_t tiles_;     ///< Of rows.
  const int64_t width_;     ///< D rounded up to whole steps.
  KvTiles kv_[2];           ///< Of a few rows, of two heads in turn.
  std::byte* const q_;      ///< [tile of rows][step][term] tiles
  std::byte* const split_;  ///< [term] tiles: weights of one tile of rows
  float* const scores_;     ///< [rows, kPositions] of this tile of positions
  float* const part_;       ///< [2, 16, width]: values that it adds to two tiles of rows
  float* const values_;     ///< [rows, width]: weighted sums of V so far
  float* const sums_;       ///< [rows, kLanes]: sums of the weights so far, by lane
  float* const largest_;    ///< [rows]: largest score so far
};

}  // namespace baton::kernels::cpu::amx
