#pragma once

#include "paged_prefill/shared.cuh"
#include "paged_prefill/softmax.cuh"
#include "ptx/named_barrier.h"
#include "ptx/wgmma.h"

namespace baton::kernels::cuda::paged_prefill {

/// One warpgroup: 64 rows of each item. Its softmax of a tile runs while the tensor cores do its
/// products with the tile before, and while the other warpgroup has its turn to issue products.
template <int kD>
class Consumer {
 public:
  using T = Tile<kD>;
  using Scores = float[T::kKeys / 2];
  using Probabilities = uint32_t[T::kKeys / 16][4];
  using Output = float[kD / 2];

  __device__ Consumer(const Shared<kD>& shared, int index, const Params& p)
      : barriers_(shared.barriers),
        p_(p),
        index_(index),
        q_(ptx::AlongK(shared.q + index * 64 * kRowBytes, kPatternBytes, kSwizzle)),
        k_(ptx::AlongK(shared.k, kPatternBytes, kSwizzle)),
        v_(ptx::AcrossK(shared.v, T::kKeyColumnBytes, kPatternBytes, kSwizzle)) {}

  __device__ __forceinline__ void Run() {
    const Item* items = ItemsOf(p_);
    if (index_ == 1) PassTurn();
    for (int i = p_.begin[blockIdx.x]; i < p_.begin[blockIdx.x + 1]; ++i) Attend(items[i]);
    // The turn that was passed last is taken, so that no barrier is left half full.
    if (index_ == 0) TakeTurn();
  }

 private:
  /// The turn to issue products, of one warpgroup at a time: barriers 1 and 2.
  __device__ void TakeTurn() { ptx::SyncBarrier(1 + index_, 2 * 128); }
  __device__ void PassTurn() { ptx::ArriveAtBarrier(1 + (index_ ^ 1), 2 * 128); }

  /// This warp has read what lies there.
  __device__ void Release(ptx::Mbarrier* empty) {
    if (threadIdx.x % 32 == 0) ptx::Arrive(empty);
  }

  /// s = q k^T, of the tile in this stage.
  __device__ __forceinline__ void IssueScores(Scores& s, int stage) {
    ptx::FenceWgmma();
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      const int column = i / 4;
      const ptx::MatrixDescriptor a = ptx::Advanced(q_, column * T::kQueryColumnBytes + i % 4 * 32);
      const ptx::MatrixDescriptor b =
          ptx::Advanced(k_, stage * T::kKeyBytes + column * T::kKeyColumnBytes + i % 4 * 32);
      if (i == 0) {
        ptx::Wgmma<T::kKeys>::template FromShared<false, false>(s, a, b);
      } else {
        ptx::Wgmma<T::kKeys>::template FromShared<false, true>(s, a, b);
      }
    }
    ptx::CommitWgmma();
  }

  /// o += p v, of the tile in this stage.
  __device__ __forceinline__ void IssueOutput(Output& o, const Probabilities& p, int stage) {
    ptx::FenceWgmma();
#pragma unroll
    for (int i = 0; i < T::kKeys / 16; ++i) {
      ptx::Wgmma<kD>::template FromRegisters<true, true>(
          o, p[i], ptx::Advanced(v_, stage * T::kKeyBytes + i * 16 * kRowBytes));
    }
    ptx::CommitWgmma();
  }

  __device__ __forceinline__ Rows RowsOf(const Item& item) const {
    Rows rows;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      rows.largest[half] = -INFINITY;
      rows.sum[half] = 0;
      rows.position[half] = item.position + Row(half) / p_.group;
    }
    return rows;
  }

  /// Of the thread's two rows, within the tile.
  __device__ __forceinline__ int Row(int half) const {
    return index_ * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16 +
           static_cast<int>(threadIdx.x) % 32 / 4 + half * 8;
  }

  __device__ __forceinline__ void ToProbabilities(Scores& s, Rows& rows, const Item& item, int tile,
                                                  float (&shrink)[2]) {
    if (p_.softcap > 0) CapScores(s, p_);
    const int first_key = tile * T::kKeys;
    const bool late = first_key + T::kKeys - 1 > item.position;
    const bool early = p_.window > 0 && first_key <= item.position + item.tokens - 1 - p_.window;
    if (late || early) MaskScores(s, rows, first_key, p_.window);
    Exponentiate(s, rows, p_.scale_log2, shrink);
  }

  /// Keeps what follows behind the softmax: a branch, never taken, that hangs on all of a tile's
  /// probabilities. Else the compiler waits for the output first, as it sees no reason not to, and
  /// the tensor cores stand still during the softmax.
  static __device__ __forceinline__ void HoldUntilKnown(const Rows& rows) {
    if (__any_sync(0xffffffff, rows.sum[0] < 0 || rows.sum[1] < 0)) __nanosleep(1);
  }

  __device__ __forceinline__ void Attend(const Item& item) {
    const KeyTiles tiles = KeyTilesOf(item, p_.window, T::kKeys);
    Rows rows = RowsOf(item);
    Output o;
#pragma unroll
    for (float& value : o) value = 0;
    Probabilities p;
    float shrink[2];
    // 1. The last tile of keys: nothing to overlap with yet but the other warpgroup.
    ptx::Wait(&barriers_->q_full, q_parity_);
    q_parity_ ^= 1;
    {
      Scores s;
      ptx::Wait(&barriers_->k_full[k_ring_.stage], k_ring_.parity);
      TakeTurn();
      IssueScores(s, k_ring_.stage);
      PassTurn();
      ptx::WaitWgmma<0>();
      ptx::PinRegisters(s);
      Release(&barriers_->k_empty[k_ring_.stage]);
      k_ring_.Next();
      ToProbabilities(s, rows, item, tiles.end - 1, shrink);
      Pack(s, p);
    }
    // 2. Scores of a tile are issued before the output of the tile after it, whose probabilities
    // are ready; the softmax waits for the scores only.
    for (int tile = tiles.end - 2; tile >= tiles.first; --tile) {
      Scores s;
      ptx::Wait(&barriers_->k_full[k_ring_.stage], k_ring_.parity);
      TakeTurn();
      IssueScores(s, k_ring_.stage);
      ptx::Wait(&barriers_->v_full[v_ring_.stage], v_ring_.parity);
      IssueOutput(o, p, v_ring_.stage);
      PassTurn();
      ptx::WaitWgmma<1>();
      ptx::PinRegisters(s);
      Release(&barriers_->k_empty[k_ring_.stage]);
      k_ring_.Next();
      ToProbabilities(s, rows, item, tile, shrink);
      HoldUntilKnown(rows);
      ptx::WaitWgmma<0>();
      ptx::PinRegisters(o);
      Release(&barriers_->v_empty[v_ring_.stage]);
      v_ring_.Next();
      Shrink(o, shrink);
      Pack(s, p);
    }
    // 3. The output of the first tile; the queries may be replaced meanwhile.
    Release(&barriers_->q_empty);
    ptx::Wait(&barriers_->v_full[v_ring_.stage], v_ring_.parity);
    IssueOutput(o, p, v_ring_.stage);
    ptx::WaitWgmma<0>();
    ptx::PinRegisters(o);
    Release(&barriers_->v_empty[v_ring_.stage]);
    v_ring_.Next();
    Store(o, rows, item);
  }

  /// Four lanes hold a row's columns in pairs; they trade, so that each writes runs of eight.
  __device__ __forceinline__ void Store(const Output& o, const Rows& rows, const Item& item) {
    const int lane = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float scale = __fdividef(1.0f, QuadSum(rows.sum[half]));
      const int token = Row(half) / p_.group;
      const int head = item.kv_head * p_.group + Row(half) % p_.group;
      __nv_bfloat16* y = p_.y + (int64_t{item.row + token} * p_.H + head) * kD;
#pragma unroll
      for (int run = 0; run < kD / 32; ++run) {
        uint32_t pairs[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int at = 4 * (4 * run + i) + 2 * half;
          pairs[i] = PackPair(o[at] * scale, o[at + 1] * scale);
        }
        Trade(pairs, lane);
        if (token < item.tokens) {
          *reinterpret_cast<uint4*>(y + (4 * run + lane) * 8) =
              make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
        }
      }
    }
  }

  /// Transposes four words across four lanes.
  static __device__ __forceinline__ void Trade(uint32_t (&words)[4], int lane) {
#pragma unroll
    for (int bit = 1; bit <= 2; bit *= 2) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if ((i & bit) != 0) continue;
        const bool upper = (lane & bit) != 0;
        const uint32_t taken = __shfl_xor_sync(0xffffffff, upper ? words[i] : words[i + bit], bit);
        (upper ? words[i] : words[i + bit]) = taken;
      }
    }
  }

  typename T::Barriers* barriers_;
  const Params& p_;
  int index_;
  ptx::MatrixDescriptor q_, k_, v_;
  Ring<T::kStages> k_ring_, v_ring_;
  uint32_t q_parity_ = 0;
};

}  // namespace baton::kernels::cuda::paged_prefill
