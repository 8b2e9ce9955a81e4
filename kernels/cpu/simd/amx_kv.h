#pragma once

#include <immintrin.h>

#include "../isa.h"
#include "amx_operands.h"
#include "amx_tiles.h"

namespace baton::kernels::cpu::amx {

/// Keys and values of one head at kTilePositions positions as tiles: of keys a column for each
/// position, of values a row, in bfloat16 as the cache has them. Those of int8 are whole numbers,
/// and what is multiplied by them takes their scales.
class KvTiles {
 public:
  static constexpr int64_t kPositions = kTilePositions;
  /// Elements of a head in a tile of keys.
  static constexpr int64_t kStep = 32;

  static bool Takes(const ops::PagedKv& kv) {
    return kv.dtype == DType::kBFloat16 || kv.dtype == DType::kInt8;
  }
  /// Of a head, as tiles have it.
  static constexpr int64_t Width(int64_t D) { return (D + kStep - 1) / kStep * kStep; }
  static constexpr int64_t Scratch(int64_t width) {
    return 4 * kPositions * width * int64_t{sizeof(BFloat16)};
  }

  /// `scratch`: Scratch(Width(D)) bytes.
  KvTiles(const ops::PagedKv& kv, const int32_t* table, std::byte* scratch)
      : kv_(kv),
        table_(table),
        row_bytes_(kv.row_bytes()),
        width_(Width(kv.D)),
        copies_(kv.dtype == DType::kInt8 || kv.D != width_),
        k_(scratch),
        v_(k_ + kPositions * width_ * 2),
        k_rows_(v_ + kPositions * width_ * 2),
        v_rows_(k_rows_ + kPositions * width_ * 2) {
    // Copies are shorter than a row that ends with a whole step.
    for (int64_t i = 0; copies_ && i < kPositions; ++i) {
      Zeros(k_rows_, i);
      Zeros(v_rows_, i);
    }
  }

  /// Positions [begin, end) of the tile that starts at `tile`, of KV head g; others count as zero.
  void Read(int64_t g, int64_t tile, int64_t begin, int64_t end) {
    // 1. Where the rows lie.
    const std::byte* values[kPositions];
    const int64_t first = begin - tile;
    const int64_t last = end - tile;
    for (int64_t i = 0; i < first; ++i) {
      keys_[i] = Zeros(k_rows_, i);
      values[i] = Zeros(v_rows_, i);
    }
    ForEachRun(g, begin, end, [&](const std::byte* k, int64_t j, int64_t n) {
      for (int64_t i = j - tile; i < j - tile + n; ++i, k += row_bytes_) {
        keys_[i] = copies_ ? Copy(k, k_rows_, i, scales_[0]) : k;
        values[i] = copies_ ? Copy(k + kv_.v_offset, v_rows_, i, scales_[1]) : k + kv_.v_offset;
      }
    });
    for (int64_t i = last; i < kPositions; ++i) {
      keys_[i] = Zeros(k_rows_, i);
      values[i] = Zeros(v_rows_, i);
    }
    // 2. Tiles of them.
    for (int64_t i = 0; i < kPositions; i += kTileRows) GatherKeys(i);
    for (int64_t i = 0; i < kPositions; i += 2) JoinValues(values[i], values[i + 1], i / 2);
  }

  /// Has the keys as tiles.
  void KeysToColumns() {
    TransposeKeys(keys_[0], k_);
    TransposeKeys(keys_[kTileRows], k_ + kTileRows * width_ * 2);
  }

  /// Rows of a block lie together, but the next block is elsewhere: nothing else would fetch it.
  void Prefetch(int64_t g, int64_t begin, int64_t end) const {
    ForEachRun(g, begin, end, [&](const std::byte* k, int64_t, int64_t n) {
      for (int64_t byte = 0; byte < n * row_bytes_; byte += kTileRowBytes) {
        __builtin_prefetch(k + byte);
        __builtin_prefetch(k + kv_.v_offset + byte);
      }
    });
  }

  /// The keys of the first or second 16 positions, from element 32 step on, as rows.
  const std::byte* KeyRows(int64_t step, int64_t half) const {
    return keys_[half * kTileRows] + step * kTileRowBytes;
  }
  /// From one of these rows to the next.
  int64_t key_row_bytes() const { return width_ * 2; }
  /// The tile of elements [32 step, 32 step + 32) of the keys of the first or second 16 positions.
  const std::byte* Keys(int64_t step, int64_t half) const {
    return k_ + half * kTileRows * width_ * 2 + step * kTileBytes;
  }
  /// The tile of elements [16 i, 16 i + 16) of the values.
  const std::byte* Values(int64_t i) const { return v_ + i * kTileBytes; }
  /// By which scores, and weights, of the first or second 16 positions are to be multiplied.
  Vec KeyScales(int half) const { return Vec::Load(scales_[0] + half * kTileRows); }
  Vec ValueScales(int half) const { return Vec::Load(scales_[1] + half * kTileRows); }

 private:
  /// Calls f(k, j, rows) for each run of rows of positions [begin, end) that share a block: the
  /// address of the key of position j, which those after it follow.
  template <class F>
  void ForEachRun(int64_t g, int64_t begin, int64_t end, F f) const {
    const int64_t P = kv_.P;
    for (int64_t j = begin; j < end;) {
      const int64_t block = j / P;
      const int64_t run_end = (block + 1) * P < end ? (block + 1) * P : end;
      f(kv_.base + table_[block] * kv_.block_stride + (g * P + j - block * P) * row_bytes_, j,
        run_end - j);
      j = run_end;
    }
  }

  std::byte* RowOf(std::byte* rows, int64_t i) const { return rows + i * width_ * 2; }

  const std::byte* Zeros(std::byte* rows, int64_t i) const {
    std::byte* row = RowOf(rows, i);
    __builtin_memset(row, 0, static_cast<size_t>(width_) * 2);
    return row;
  }

  /// A row in bfloat16, with zeros up to a whole step; and its scale.
  const std::byte* Copy(const std::byte* row, std::byte* rows, int64_t i, float* scales) const {
    std::byte* copy = RowOf(rows, i);
    const auto D = static_cast<size_t>(kv_.D);
    if (kv_.dtype == DType::kBFloat16) {
      __builtin_memcpy(copy, row, D * sizeof(BFloat16));
      return copy;
    }
    __builtin_memcpy(scales + i, row + D, sizeof(float));
    const auto* from = reinterpret_cast<const int8_t*>(row);
    auto* to = reinterpret_cast<BFloat16*>(copy);
    for (int64_t d = 0; d < kv_.D; d += Vec::kLanes) {
      StoreUpTo(LoadUpTo<Vec>(from + d, kv_.D - d), to + d, kv_.D - d);
    }
    return copy;
  }

  /// Has 16 keys lie one behind the other, as they do where they share a block.
  void GatherKeys(int64_t first) {
    bool in_place = true;
    for (int64_t i = 1; i < kTileRows; ++i) {
      in_place &= keys_[first + i] == keys_[first] + i * width_ * 2;
    }
    if (in_place) return;
    for (int64_t i = first; i < first + kTileRows; ++i) {
      std::byte* copy = RowOf(k_rows_, i);
      if (keys_[i] != copy) __builtin_memcpy(copy, keys_[i], static_cast<size_t>(width_) * 2);
    }
    keys_[first] = RowOf(k_rows_, first);
  }

  /// 16 rows to a column each, by pairs of elements.
  void TransposeKeys(const std::byte* rows, std::byte* to) const {
    for (int64_t d = 0; d < width_ / 2; d += 8) {
      Vec::TransposeEights(reinterpret_cast<const float*>(rows) + d, width_ / 2,
                           reinterpret_cast<float*>(to) + d * kTileRows, kTileRows);
    }
  }

  /// Two rows to one of pairs.
  void JoinValues(const std::byte* first, const std::byte* second, int64_t row) const {
    for (int64_t d = 0; d < width_; d += kStep) {
      const __m512i a = _mm512_loadu_si512(first + d * 2);
      const __m512i b = _mm512_loadu_si512(second + d * 2);
      std::byte* to = v_ + d / 16 * kTileBytes + row * kTileRowBytes;
      _mm512_store_si512(to, _mm512_permutex2var_epi16(a, Alternate(0), b));
      _mm512_store_si512(to + kTileBytes, _mm512_permutex2var_epi16(a, Alternate(16), b));
    }
  }

  /// Elements from `first` on of one vector and of another, in turn.
  static __m512i Alternate(int first) {
    alignas(64) static constexpr uint16_t kInTurn[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                         37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                         11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    return _mm512_add_epi16(_mm512_load_si512(kInTurn),
                            _mm512_set1_epi16(static_cast<int16_t>(first)));
  }

  const ops::PagedKv& kv_;
  const int32_t* const table_;  ///< The sequence's blocks.
  const int64_t row_bytes_;     ///< Of a row of the cache.
  const int64_t width_;
  const bool copies_;
  std::byte* const k_;       ///< [16 positions][step] tiles
  std::byte* const v_;       ///< [16 elements] tiles
  std::byte* const k_rows_;  ///< [position, width] of bfloat16, where they are not read in place
  std::byte* const v_rows_;
  const std::byte* keys_[kPositions];
  alignas(64) float scales_[2][kPositions] = {};  ///< Of keys and of values of int8.
};

}  // namespace baton::kernels::cpu::amx
