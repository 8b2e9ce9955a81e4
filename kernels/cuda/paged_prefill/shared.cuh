#pragma once

#include <cuda_bf16.h>

#include "paged_prefill/plan.h"
#include "ptx/mbarrier.h"
#include "ptx/swizzle.h"
#include "ring.h"
#include "shared_memory.h"

namespace baton::kernels::cuda::paged_prefill {

inline constexpr int kConsumers = 2;
inline constexpr int kThreads = 128 * (1 + kConsumers);

/// Tiles in shared memory lie in columns of 64 elements: 128 bytes, the swizzle's width.
inline constexpr int kColumn = 64;
inline constexpr int kRowBytes = kColumn * 2;
/// Eight rows of a column: the swizzle's pattern, and wgmma's core matrices.
inline constexpr uint32_t kPatternBytes = 8 * kRowBytes;
inline constexpr auto kSwizzle = ptx::Swizzle::k128;

template <int kD>
struct Tile {
  static constexpr int kKeys = TileKeys(kD);
  static constexpr int kColumns = kD / kColumn;
  static constexpr int kStages = kD == 64 ? 4 : 2;
  static constexpr int kQueryColumnBytes = kTileRows * kRowBytes;
  static constexpr int kQueryBytes = kColumns * kQueryColumnBytes;
  static constexpr int kKeyColumnBytes = kKeys * kRowBytes;
  static constexpr int kKeyBytes = kColumns * kKeyColumnBytes;

  struct Barriers {
    ptx::Mbarrier q_full, q_empty;
    ptx::Mbarrier k_full[kStages], k_empty[kStages];
    ptx::Mbarrier v_full[kStages], v_empty[kStages];
  };
  static constexpr size_t kSharedBytes = kQueryBytes + 2 * kStages * kKeyBytes + sizeof(Barriers);
};

/// q [columns][128 rows][64], k and v [stages][columns][keys][64], barriers.
template <int kD>
struct Shared {
  using T = Tile<kD>;

  unsigned char* q;
  unsigned char* k;
  unsigned char* v;
  typename T::Barriers* barriers;

  __device__ Shared()
      : q(DynamicShared()),
        k(q + T::kQueryBytes),
        v(k + T::kStages * T::kKeyBytes),
        barriers(reinterpret_cast<typename T::Barriers*>(v + T::kStages * T::kKeyBytes)) {}

  /// One thread, before all others go on. A full barrier counts the producer, an empty one each
  /// warp that reads.
  __device__ void InitBarriers() {
    constexpr uint32_t kReaders = 4 * kConsumers;
    ptx::InitMbarrier(&barriers->q_full, 1);
    ptx::InitMbarrier(&barriers->q_empty, kReaders);
    for (int stage = 0; stage < T::kStages; ++stage) {
      ptx::InitMbarrier(&barriers->k_full[stage], 1);
      ptx::InitMbarrier(&barriers->v_full[stage], 1);
      ptx::InitMbarrier(&barriers->k_empty[stage], kReaders);
      ptx::InitMbarrier(&barriers->v_empty[stage], kReaders);
    }
    ptx::FenceMbarrierInit();
  }
};

struct Params {
  /// The plan.
  const int32_t* begin = nullptr;
  const int32_t* kv_tokens = nullptr;     ///< [S]
  const int32_t* block_tables = nullptr;  ///< [S, table_stride]
  int64_t table_stride = 0;
  /// The layer's V of block 0, and from a block to the next in elements.
  const __nv_bfloat16* v = nullptr;
  int64_t block_stride = 0;
  __nv_bfloat16* y = nullptr;  ///< [T, H, D]
  int32_t H = 0;
  int32_t group = 0;
  int32_t P_log2 = 0;
  int32_t window = 0;
  float softcap = 0;
  /// Of scores in units of log2.
  float scale_log2 = 0;
  /// With a cap: tanh takes scores times this.
  float inner_scale = 0;
};

__device__ __forceinline__ const Item* ItemsOf(const Params& p) {
  return reinterpret_cast<const Item*>(p.begin + p.begin[gridDim.x + 1] / sizeof(int32_t));
}

/// The tiles of keys that an item looks at, last one first.
struct KeyTiles {
  int first = 0;
  int end = 0;
};

__device__ __forceinline__ KeyTiles KeyTilesOf(const Item& item, int window, int keys) {
  const int oldest = window > 0 ? item.position - window + 1 : 0;
  return {oldest > 0 ? oldest / keys : 0, (item.position + item.tokens + keys - 1) / keys};
}

}  // namespace baton::kernels::cuda::paged_prefill
