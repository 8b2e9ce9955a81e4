#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/ops/step_plan.h"

/// Which block of threads computes what in a step's prefill attention: made on the host once per
/// step, the same for every layer. Pure.
namespace baton::kernels::cuda::paged_prefill {

/// Query tokens of one sequence with all query heads of one KV head.
struct Item {
  int32_t sequence = 0;
  int32_t kv_head = 0;
  /// The first token's row in the step, and its position in the sequence.
  int32_t row = 0;
  int32_t position = 0;
  int32_t tokens = 0;
};

/// A tile's rows: 64 for each of two warpgroups.
inline constexpr int32_t kTileRows = 128;

/// Tokens of a tile in which each token has a row for every query head of its KV head.
constexpr int32_t TileTokens(int32_t group) { return kTileRows / group; }

/// Keys of a tile, by head dimension: what leaves the accumulators their registers.
constexpr int32_t TileKeys(int32_t D) { return D > 128 ? 64 : 128; }

/// Whether the kernel is for heads, groups and blocks of these sizes.
constexpr bool TakesShape(const ops::PlanShape& shape) {
  return (shape.D == 64 || shape.D == 128 || shape.D == 256) && shape.P >= 8 && 64 % shape.P == 0 &&
         shape.H % shape.G == 0 && shape.H / shape.G <= kTileRows;
}

/// Who computes what: `workers` blocks of threads, sequences of at least `min_tokens` query tokens
/// (others are not this kernel's).
struct PlanOptions {
  int32_t workers = 0;
  /// The first so many of them; 0: all.
  int32_t busy = 0;
  int32_t min_tokens = 1;
  /// Bytes from the plan's begin to its items, at least HeadBytes; what lies between is another's.
  /// 0: HeadBytes.
  int32_t items_at = 0;
};

/// A plan: int32 begin[workers + 1], int32 items_at; worker w has items [begin[w], begin[w + 1]) of
/// those that lie `items_at` bytes from begin.
constexpr size_t HeadBytes(int32_t workers) {
  return (static_cast<size_t>(workers) + 2) * sizeof(int32_t);
}
/// REQUIRES, as does WritePlan: TakesShape(shape).
size_t PlanBytes(const ops::PlanShape& shape, const PlanOptions& options);
/// Longest items first, each to the worker with the least to do.
void WritePlan(const ops::PagedBatch& batch, const ops::PlanShape& shape,
               const PlanOptions& options, std::byte* out);

}  // namespace baton::kernels::cuda::paged_prefill
