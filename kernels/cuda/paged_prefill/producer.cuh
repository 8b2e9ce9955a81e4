#pragma once

#include "paged_prefill/shared.cuh"
#include "ptx/tma.h"

namespace baton::kernels::cuda::paged_prefill {

/// One warp that keeps the stages filled, its lanes asking for a box each.
template <int kD>
class Producer {
 public:
  using T = Tile<kD>;

  __device__ Producer(const Shared<kD>& shared, const ptx::TensorMap* q, const ptx::TensorMap* kv,
                      const Params& p)
      : shared_(shared),
        q_(q),
        kv_(kv),
        p_(p),
        P_(1 << p.P_log2),
        lane_(static_cast<int>(threadIdx.x) % 32) {}

  __device__ void Run() {
    const Item* items = ItemsOf(p_);
    for (int i = p_.begin[blockIdx.x]; i < p_.begin[blockIdx.x + 1]; ++i) {
      const Item item = items[i];
      LoadQueries(item);
      const int32_t* table = p_.block_tables + item.sequence * p_.table_stride;
      const int kv_tokens = p_.kv_tokens[item.sequence];
      const KeyTiles tiles = KeyTilesOf(item, p_.window, T::kKeys);
      for (int tile = tiles.end - 1; tile >= tiles.first; --tile, ring_.Next()) {
        LoadKeys(table, kv_tokens, item.kv_head, tile);
        LoadValues(table, kv_tokens, item.kv_head, tile);
      }
    }
  }

 private:
  using Barriers = typename T::Barriers;

  /// Rows of a tile are (token, query head) pairs, heads fastest: a box of both dimensions.
  __device__ void LoadQueries(const Item& item) {
    Barriers* b = shared_.barriers;
    ptx::Wait(&b->q_empty, q_parity_ ^ 1);
    if (lane_ == 0) {
      const int tokens = TileTokens(p_.group);
      ptx::ArriveAndExpect(&b->q_full, T::kColumns * tokens * p_.group * kRowBytes);
      for (int column = 0; column < T::kColumns; ++column) {
        ptx::LoadBox(shared_.q + column * T::kQueryColumnBytes, q_, &b->q_full, column * kColumn,
                     item.kv_head * p_.group, item.row);
      }
    }
    __syncwarp();
    q_parity_ ^= 1;
  }

  __device__ void LoadKeys(const int32_t* table, int kv_tokens, int kv_head, int tile) {
    ptx::Mbarrier* full = &shared_.barriers->k_full[ring_.stage];
    ptx::Wait(&shared_.barriers->k_empty[ring_.stage], ring_.parity ^ 1);
    if (lane_ == 0) ptx::ArriveAndExpect(full, T::kKeyBytes);
    __syncwarp();
    LoadBlocks(shared_.k + ring_.stage * T::kKeyBytes, full, table, kv_tokens,
               {.kv_head = kv_head, .tile = tile, .half = 0, .skipped = -1});
  }

  /// A probability of zero times what lies behind the last token must be zero: a block that is
  /// filled in part comes by ordinary loads, zeros behind them.
  __device__ void LoadValues(const int32_t* table, int kv_tokens, int kv_head, int tile) {
    ptx::Mbarrier* full = &shared_.barriers->v_full[ring_.stage];
    unsigned char* to = shared_.v + ring_.stage * T::kKeyBytes;
    ptx::Wait(&shared_.barriers->v_empty[ring_.stage], ring_.parity ^ 1);
    int partial = -1;
    if ((kv_tokens & (P_ - 1)) != 0 && kv_tokens < (tile + 1) * T::kKeys) {
      partial = (kv_tokens >> p_.P_log2) - tile * (T::kKeys >> p_.P_log2);
      CopyPartialBlock(to, table, kv_tokens, kv_head, partial);
      // Every lane shows its writes to the tensor cores before the arrival below.
      ptx::FenceAsyncProxy();
      __syncwarp();
    }
    if (lane_ == 0) {
      ptx::ArriveAndExpect(full, T::kKeyBytes - (partial >= 0 ? P_ * kD * 2 : 0));
    }
    __syncwarp();
    LoadBlocks(to, full, table, kv_tokens,
               {.kv_head = kv_head, .tile = tile, .half = 1, .skipped = partial});
  }

  struct Part {
    int kv_head;
    int tile;
    int half;     ///< 0: K, 1: V.
    int skipped;  ///< A block of the tile.
  };

  /// A box for each block and column; of blocks behind the last token one outside of the tensor,
  /// which is zeros.
  __device__ void LoadBlocks(unsigned char* to, ptx::Mbarrier* full, const int32_t* table,
                             int kv_tokens, Part part) {
    const int blocks = T::kKeys >> p_.P_log2;
#pragma unroll 1
    for (int i = lane_; i < blocks * T::kColumns; i += 32) {
      const int column = i * P_ / T::kKeys;
      const int block = i & (blocks - 1);
      if (block == part.skipped) continue;
      const int index = part.tile * blocks + block;
      const bool exists = index * P_ < kv_tokens;
      ptx::LoadBox(to + column * T::kKeyColumnBytes + block * P_ * kRowBytes, kv_, full,
                   column * kColumn, exists ? 0 : P_, part.kv_head, part.half,
                   exists ? table[index] : 0);
    }
  }

  /// `block` of the tile that ends at kv_tokens, its pieces of 16 bytes placed as TMA would.
  __device__ void CopyPartialBlock(unsigned char* to, const int32_t* table, int kv_tokens,
                                   int kv_head, int block) {
    constexpr int kPieces = kD / 8;
    const int valid = kv_tokens & (P_ - 1);
    const __nv_bfloat16* from =
        p_.v + table[kv_tokens >> p_.P_log2] * p_.block_stride + int64_t{kv_head} * P_ * kD;
    for (int i = lane_; i < P_ * kPieces; i += 32) {
      const int token = i / kPieces;
      const int piece = i % kPieces;
      uint4 value = make_uint4(0, 0, 0, 0);
      if (token < valid) value = *reinterpret_cast<const uint4*>(from + token * kD + piece * 8);
      const uint32_t offset = (block * P_ + token) * kRowBytes + piece % 8 * 16;
      // Columns are whole patterns: the offset has the bits of the address.
      *reinterpret_cast<uint4*>(to + piece / 8 * T::kKeyColumnBytes +
                                ptx::Swizzled(kSwizzle, offset)) = value;
    }
  }

  const Shared<kD>& shared_;
  const ptx::TensorMap* q_;
  const ptx::TensorMap* kv_;
  const Params& p_;
  int P_;
  int lane_;
  Ring<T::kStages> ring_;
  uint32_t q_parity_ = 0;
};

}  // namespace baton::kernels::cuda::paged_prefill
