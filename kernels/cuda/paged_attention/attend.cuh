#pragma once

#include <cuda_bf16.h>

#include "plan.h"
#include "ptx/cp_async.h"
#include "ptx/ldmatrix.h"
#include "ptx/mma.h"
#include "softmax.cuh"

namespace baton::kernels::cuda::paged_attention {

/// One layer's operands on the device.
struct Operands {
  const __nv_bfloat16* q = nullptr;  // [T, H, D], q_stride
  __nv_bfloat16* y = nullptr;        // [T, H, D]
  int64_t q_stride = 0;
  int H = 0;
  int group = 0;
  float scale = 0;
  float softcap = 0;
  int window = 0;
  const int32_t* block_tables = nullptr;
  int64_t table_stride = 0;
  const std::byte* cache = nullptr;  // K of block 0
  int64_t block_stride = 0;
  int64_t v_offset = 0;
  int block_shift = 0;  // A block has 2^block_shift tokens.
  const std::byte* plan = nullptr;
  std::byte* scratch = nullptr;
};

inline constexpr int kScoreTiles = kTilePositions / 8;
inline constexpr float kLog2E = 1.4426950408889634f;

/// A block's shared memory: [stage][K|V][position][D], then queries [row][D], then totals. Rows are
/// padded by 16 bytes, so that eight of them begin in different banks.
template <int D, int kWarps>
struct Layout {
  static constexpr int kThreads = kWarps * 32;
  /// Two where they fit: the next tile arrives while this one is worked on.
  static constexpr int kStages = D > 128 ? 1 : 2;
  /// Where the sums of the splits before do not fit the registers.
  static constexpr bool kSharesTotals = D > 128;
  static constexpr int kRowBytes = D * 2 + 16;
  static constexpr int kTileBytes = kTilePositions * kRowBytes;
  static constexpr int kQueriesAt = kStages * 2 * kTileBytes;
  static constexpr int kTotalsAt = kQueriesAt + kWarps * kWarpRows * kRowBytes;
  static constexpr int kBytes = kTotalsAt + (kSharesTotals ? kThreads * (D / 2) * 4 : 0);
};

/// A thread's elements of what the splits before sum to.
template <int D, int kThreads, bool kShared>
class Totals;

template <int D, int kThreads>
class Totals<D, kThreads, false> {
 public:
  __device__ explicit Totals(unsigned char*) {}
  __device__ float& operator[](int i) { return values_[i]; }

 private:
  float values_[D / 2];
};

template <int D, int kThreads>
class Totals<D, kThreads, true> {
 public:
  __device__ explicit Totals(unsigned char* shared)
      : values_(reinterpret_cast<float*>(shared) + threadIdx.x) {}
  __device__ float& operator[](int i) { return values_[i * kThreads]; }

 private:
  float* values_;
};

__device__ __forceinline__ uint32_t Pack(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &both, sizeof word);
  return word;
}

/// A warp's kWarpRows packed rows of an item. Lane 4 g + t has rows g and g + 8, and of every eight
/// columns 2 t and 2 t + 1.
template <int D, int kWarps>
class WarpRows {
  using Shared = Layout<D, kWarps>;

 public:
  /// Parts of narrow items have one split each.
  static constexpr bool kFoldsParts = kWarps > 1;

  __device__ WarpRows(const Operands& operands, const Item& item, unsigned char* shared)
      : o_(operands),
        item_(item),
        shared_(shared),
        lane_(static_cast<int>(threadIdx.x) % 32),
        begin_(static_cast<int>(threadIdx.x) / 32 * kWarpRows),
        total_(shared + Shared::kTotalsAt) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      position_[i] = PositionOf(lane_ / 4 + 8 * i);
      all_largest_[i] = -CUDART_INF_F;
      all_sum_[i] = 0;
    }
#pragma unroll
    for (int i = 0; i < D / 2; ++i) total_[i] = 0;
    first_ = PositionOf(0);
    last_ = PositionOf(kWarpRows - 1);
    BeginSplit();
  }

  /// Whether the warp has rows, and one of them sees a position of the tile.
  __device__ bool Sees(int tile) const {
    return begin_ < item_.rows && tile * kTilePositions <= last_ &&
           (o_.window == 0 || (tile + 1) * kTilePositions > first_ - o_.window + 1);
  }

  /// Rows of q to shared memory; those that do not exist become zeros.
  __device__ void LoadQueries() const {
    for (int i = lane_; i < kWarpRows * (D / 8); i += 32) {
      const int row = i / (D / 8);
      const int d = i % (D / 8) * 8;
      uint4 eight = make_uint4(0, 0, 0, 0);
      if (begin_ + row < item_.rows) {
        const int packed = item_.first + begin_ + row;
        const __nv_bfloat16* from =
            o_.q + (item_.step_row + packed / o_.group) * o_.q_stride + HeadOf(packed) * D + d;
        eight = *reinterpret_cast<const uint4*>(from);
      }
      *reinterpret_cast<uint4*>(Queries() + row * Shared::kRowBytes + d * 2) = eight;
    }
    __syncwarp();
  }

  /// Scores of the tile, and from them its weights, in the place of the scores; earlier sums of the
  /// split are scaled to them.
  __device__ void Score(const unsigned char* k_tile, int tile) {
    Multiply(k_tile);
    const bool capped = o_.softcap > 0;
    const float unit = (capped ? o_.softcap : o_.scale) * kLog2E;
    if (capped) {
      const float inner = o_.scale / o_.softcap;
      ForEachScore([&](float& s, int, int) { s = tanhf(s * inner); });
    }
    if ((tile + 1) * kTilePositions - 1 > first_ ||
        (o_.window > 0 && tile * kTilePositions <= last_ - o_.window)) {
      ForEachScore([&](float& s, int i, int column) {
        const int position = tile * kTilePositions + column;
        const bool seen =
            position <= position_[i] && (o_.window == 0 || position > position_[i] - o_.window);
        if (!seen) s = -CUDART_INF_F;
      });
    }
    float largest[2] = {-CUDART_INF_F, -CUDART_INF_F};
    ForEachScore([&](float& s, int i, int) { largest[i] = fmaxf(largest[i], s); });
    float shift[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      largest[i] = fmaxf(largest[i], __shfl_xor_sync(0xffffffffu, largest[i], 1));
      largest[i] = fmaxf(largest[i], __shfl_xor_sync(0xffffffffu, largest[i], 2));
      largest[i] = fmaxf(largest_[i], largest[i] * unit);
      shift[i] = Shift(largest[i]);
      const float before = ptx::Exp2(largest_[i] - shift[i]);
      largest_[i] = largest[i];
      sum_[i] *= before;
#pragma unroll
      for (int n = 0; n < D / 8; ++n) {
        values_[n][2 * i] *= before;
        values_[n][2 * i + 1] *= before;
      }
    }
    ForEachScore([&](float& s, int i, int) {
      s = ptx::Exp2(fmaf(s, unit, -shift[i]));
      sum_[i] += s;
    });
  }

  /// Adds the tile's values by their weights.
  __device__ void AddValues(const unsigned char* v_tile) {
    const unsigned char* row = v_tile + (lane_ % 16) * Shared::kRowBytes + lane_ / 16 * 16;
#pragma unroll
    for (int k = 0; k < kTilePositions / 16; ++k) {
      const uint32_t weights[4] = {Pack(score_[2 * k][0], score_[2 * k][1]),
                                   Pack(score_[2 * k][2], score_[2 * k][3]),
                                   Pack(score_[2 * k + 1][0], score_[2 * k + 1][1]),
                                   Pack(score_[2 * k + 1][2], score_[2 * k + 1][3])};
#pragma unroll
      for (int n = 0; n < D / 16; ++n) {
        uint32_t v[4];
        ptx::LoadTilesTransposed(v, row + k * 16 * Shared::kRowBytes + n * 32);
        ptx::MmaBf16(values_[2 * n], weights, {v[0], v[1]});
        ptx::MmaBf16(values_[2 * n + 1], weights, {v[2], v[3]});
      }
    }
  }

  /// Ends an item whose rows have splits elsewhere: leaves its own in its partial. Where it may
  /// have several, they were folded; one that was folded into nothing gives the same bits.
  __device__ void StorePartial() {
    float* partial = reinterpret_cast<float*>(o_.scratch) + item_.partial * PartialFloats(D);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = (kFoldsParts ? begin_ : 0) + lane_ / 4 + 8 * i;
      const float sum = kFoldsParts ? all_sum_[i] : SumOfRow(i);
      if (row >= item_.rows) continue;
      float* of_row = partial + row * PartialFloats(D);
#pragma unroll
      for (int n = 0; n < D / 8; ++n) {
        const int c = 4 * n + 2 * i;
        *reinterpret_cast<float2*>(of_row + n * 8 + lane_ % 4 * 2) =
            kFoldsParts ? make_float2(total_[c], total_[c + 1])
                        : make_float2(values_[n][2 * i], values_[n][2 * i + 1]);
      }
      if (lane_ % 4 == 0) {
        of_row[D] = kFoldsParts ? all_largest_[i] : largest_[i];
        of_row[D + 1] = sum;
      }
    }
  }

  /// Ends a split: adds it to those before.
  __device__ void FoldSplit() {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const Weights weights = WeightsOf(all_largest_[i], largest_[i]);
      all_largest_[i] = weights.largest;
      all_sum_[i] = Fold(all_sum_[i], SumOfRow(i), weights);
#pragma unroll
      for (int n = 0; n < D / 8; ++n) {
#pragma unroll
        for (int c = 2 * i; c < 2 * i + 2; ++c) {
          total_[4 * n + c] = Fold(total_[4 * n + c], values_[n][c], weights);
        }
      }
    }
    BeginSplit();
  }

  __device__ void StoreRows() {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = begin_ + lane_ / 4 + 8 * i;
      if (row >= item_.rows) continue;
      const int packed = item_.first + row;
      __nv_bfloat16* y = o_.y +
                         (int64_t{item_.step_row + packed / o_.group} * o_.H + HeadOf(packed)) * D +
                         lane_ % 4 * 2;
      const float inverse = 1.0f / all_sum_[i];
#pragma unroll
      for (int n = 0; n < D / 8; ++n) {
        *reinterpret_cast<uint32_t*>(y + n * 8) =
            Pack(total_[4 * n + 2 * i] * inverse, total_[4 * n + 2 * i + 1] * inverse);
      }
    }
  }

 private:
  /// Of a row of the warp; of the item's last where there is no such row.
  __device__ int PositionOf(int row) const {
    return item_.position + (item_.first + min(begin_ + row, item_.rows - 1)) / o_.group;
  }

  __device__ int HeadOf(int packed) const { return item_.kv_head * o_.group + packed % o_.group; }

  __device__ unsigned char* Queries() const {
    return shared_ + Shared::kQueriesAt + begin_ * Shared::kRowBytes;
  }

  __device__ void BeginSplit() {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      largest_[i] = -CUDART_INF_F;
      sum_[i] = 0;
    }
#pragma unroll
    for (int n = 0; n < D / 8; ++n) {
#pragma unroll
      for (int c = 0; c < 4; ++c) values_[n][c] = 0;
    }
  }

  /// The row's sum over its four lanes, in every one of them.
  __device__ float SumOfRow(int i) const {
    const float pair = sum_[i] + __shfl_xor_sync(0xffffffffu, sum_[i], 1);
    return pair + __shfl_xor_sync(0xffffffffu, pair, 2);
  }

  /// body(score, 0 or 1 for row g or g + 8, column).
  template <class Body>
  __device__ __forceinline__ void ForEachScore(const Body& body) {
#pragma unroll
    for (int n = 0; n < kScoreTiles; ++n) {
#pragma unroll
      for (int c = 0; c < 4; ++c) body(score_[n][c], c / 2, n * 8 + lane_ % 4 * 2 + c % 2);
    }
  }

  /// score_ = q k^T.
  __device__ void Multiply(const unsigned char* k_tile) {
    const unsigned char* q_row = Queries() + (lane_ % 16) * Shared::kRowBytes + lane_ / 16 * 16;
    const unsigned char* k_row = k_tile + (lane_ % 8) * Shared::kRowBytes + lane_ / 8 * 16;
#pragma unroll
    for (int n = 0; n < kScoreTiles; ++n) {
#pragma unroll
      for (int c = 0; c < 4; ++c) score_[n][c] = 0;
    }
#pragma unroll
    for (int d = 0; d < D; d += 32) {
      uint32_t q[2][4];
      ptx::LoadTiles(q[0], q_row + d * 2);
      ptx::LoadTiles(q[1], q_row + d * 2 + 32);
#pragma unroll
      for (int n = 0; n < kScoreTiles; ++n) {
        uint32_t k[4];
        ptx::LoadTiles(k, k_row + n * 8 * Shared::kRowBytes + d * 2);
        ptx::MmaBf16(score_[n], q[0], {k[0], k[1]});
        ptx::MmaBf16(score_[n], q[1], {k[2], k[3]});
      }
    }
  }

  const Operands& o_;
  const Item& item_;
  unsigned char* const shared_;
  const int lane_;
  const int begin_;  // The warp's first row of the item's.
  int position_[2];
  int first_;  // Positions of the warp's first and last row.
  int last_;
  float score_[kScoreTiles][4];
  // Of the split under way.
  float values_[D / 8][4];
  float largest_[2];
  float sum_[2];
  // Of the splits before.
  float all_largest_[2];
  float all_sum_[2];
  Totals<D, Shared::kThreads, Shared::kSharesTotals> total_;
};

/// One item by one block: the warps share each tile of K and V.
template <int D, int kWarps>
class ItemWalk {
  using Shared = Layout<D, kWarps>;

 public:
  __device__ ItemWalk(const Operands& operands, const Item& item, unsigned char* shared)
      : o_(operands), item_(item), shared_(shared), rows_(operands, item, shared) {
    constexpr int kSplitTiles = kSplitPositions / kTilePositions;
    begin_ = item.first_split * kSplitTiles;
    end_ = min(begin_ + item.splits * kSplitTiles,
               (item.kv_tokens + kTilePositions - 1) / kTilePositions);
    const int first = item.position + item.first / operands.group;
    if (operands.window > 0) begin_ = max(begin_, (first - operands.window + 1) / kTilePositions);
  }

  __device__ void Run() {
    rows_.LoadQueries();
    CopyTile(begin_, false);
    CopyTile(begin_, true);
    for (int tile = begin_; tile < end_; ++tile) {
      const bool seen = rows_.Sees(tile);
      if constexpr (Shared::kStages == 2) {
        // K of the next tile goes where that of the last was, which all have passed (second barrier
        // of the last tile); V likewise, behind the first barrier of this one.
        CopyTile(tile + 1, false);
        AwaitBut<2>();
        if (seen) rows_.Score(TileAt(tile, false), tile);
        CopyTile(tile + 1, true);
        AwaitBut<2>();
        if (seen) rows_.AddValues(TileAt(tile, true));
      } else {
        AwaitBut<1>();
        if (seen) rows_.Score(TileAt(tile, false), tile);
        __syncthreads();  // All have read K.
        CopyTile(tile + 1, false);
        AwaitBut<1>();
        if (seen) rows_.AddValues(TileAt(tile, true));
        __syncthreads();  // All have read V.
        CopyTile(tile + 1, true);
      }
      const bool ends = tile + 1 == end_ || (tile + 1) * kTilePositions % kSplitPositions == 0;
      if (ends && (item_.partial < 0 || WarpRows<D, kWarps>::kFoldsParts)) rows_.FoldSplit();
    }
    ptx::AwaitCopiesBut<0>();
    __syncthreads();  // All have read the last tile: the next item may overwrite it.
    if (item_.partial < 0) {
      rows_.StoreRows();
    } else {
      rows_.StorePartial();
    }
  }

 private:
  __device__ unsigned char* TileAt(int tile, bool v) const {
    return shared_ + (tile % Shared::kStages * 2 + (v ? 1 : 0)) * Shared::kTileBytes;
  }

  /// Positions beyond the item's become zeros: what lies there may be no number, and 0 times that
  /// is none either. Beyond the last tile nothing is copied, but a group counted all the same.
  __device__ void CopyTile(int tile, bool v) const {
    constexpr int kChunks = D / 8;
    if (tile < end_) {
      const std::byte* head =
          o_.cache + (v ? o_.v_offset : 0) + ((int64_t{item_.kv_head} << o_.block_shift) * D * 2);
      const int32_t* table = o_.block_tables + item_.sequence * o_.table_stride;
      unsigned char* to = TileAt(tile, v);
#pragma unroll 4
      for (int i = static_cast<int>(threadIdx.x); i < kTilePositions * kChunks;
           i += Shared::kThreads) {
        const int position = tile * kTilePositions + i / kChunks;
        const bool exists = position < item_.kv_tokens;
        const std::byte* from = o_.cache;
        if (exists) {
          const int in_block = position & ((1 << o_.block_shift) - 1);
          from = head + table[position >> o_.block_shift] * o_.block_stride +
                 (in_block * D + i % kChunks * 8) * 2;
        }
        ptx::CopyAsync16(to + i / kChunks * Shared::kRowBytes + i % kChunks * 16, from, exists);
      }
    }
    ptx::CommitCopies();
  }

  template <int N>
  __device__ void AwaitBut() const {
    ptx::AwaitCopiesBut<N>();
    __syncthreads();  // The copies of all threads are there.
  }

  const Operands& o_;
  const Item& item_;
  unsigned char* const shared_;
  WarpRows<D, kWarps> rows_;
  int begin_;
  int end_;
};

}  // namespace baton::kernels::cuda::paged_attention
