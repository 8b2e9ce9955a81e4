#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "baton/ops/step_plan.h"
#include "multiprocessors.h"

/// How the attention of a step is divided: made on the host once per step, the same for every
/// layer. Pure. A packed row is a query token with one of the query heads of a KV head: row
/// token * (H / G) + head. None of this changes a result.
namespace baton::kernels::cuda::paged_attention {

/// Positions of a tile and of a split; both are aligned to position 0. A row's result is that of
/// its splits, each a softmax over its tiles in order, merged in order.
inline constexpr int32_t kTilePositions = 64;
inline constexpr int32_t kSplitPositions = 512;
/// Packed rows of one warp, and of the warps that share tiles where there are many rows.
inline constexpr int32_t kWarpRows = 16;
inline constexpr int32_t kWideRows = 64;
/// Most items that are a part of their rows' splits, and most rows of them all; what more there is
/// takes all splits of its rows. The first bounds the plan, the second the scratch. 128 decodes at
/// 4k with 8 KV heads and groups of up to 8 are within both: left whole, some would take eight
/// times as long as the others, which no order of so few evens out. So are 64 tokens of a chunk
/// with 32 heads at 32k.
inline constexpr int32_t kMaxPartials = 8192;
inline constexpr int32_t kMaxPartialRows = 131072;
/// Blocks of wide items that a multiprocessor holds. Fewer items than all of them hold leave some
/// without any: then they are split too.
inline constexpr int32_t kWideBlocks = 2;

/// As most query tokens of a sequence: no limit.
inline constexpr int32_t kAnyTokens = std::numeric_limits<int32_t>::max();

/// Whether all items of a batch are narrow, however its rows lie in its sequences: with no more
/// rows than sequences, as in decodes, there are few enough of them. Known without the batch's
/// arrays, which the launch cannot read.
constexpr bool AllNarrow(const ops::PagedBatch& batch, int32_t group) {
  return batch.T <= batch.S && group <= kWarpRows;
}

/// Rows of one sequence and KV head over some of its splits. Narrow items have at most kWarpRows
/// rows, wide ones kWideRows. One that leaves a partial has one split, a wide one perhaps more,
/// which come first: these are folded in order, and the others in order into them.
struct Item {
  int32_t sequence = 0;
  int32_t kv_head = 0;
  int32_t step_row = 0;   ///< Of the sequence's first token in this step.
  int32_t position = 0;   ///< Of that token.
  int32_t kv_tokens = 0;  ///< Of the sequence.
  int32_t first = 0;      ///< Packed row of the sequence's tokens.
  int32_t rows = 0;
  int32_t first_split = 0;
  int32_t splits = 0;
  /// Its first row of the scratch, where the result waits for a merge; -1: it is the whole result.
  int32_t partial = -1;
};

/// Rows whose splits are several items'. Those of part i, in order of their splits, are in the
/// scratch at [partial + i * rows, partial + (i + 1) * rows).
struct Merge {
  int32_t kv_head = 0;
  int32_t step_row = 0;
  int32_t first = 0;
  int32_t rows = 0;
  int32_t partial = 0;
  int32_t parts = 0;
};

/// A plan begins with this; the lists follow, longest items first.
struct Header {
  int32_t narrow_items = 0;
  int32_t wide_items = 0;
  int32_t merges = 0;
  int32_t partials = 0;
  int32_t narrow_at = 0;  ///< Bytes from the header, as the others.
  int32_t wide_at = 0;
  int32_t merges_at = 0;
};

struct PlanLimits {
  /// Sequences of more query tokens are another kernel's.
  int32_t most_tokens = kAnyTokens;
  /// Wide items are split where there are fewer than this.
  int32_t wide_blocks = kWideBlocks * kMostMultiprocessors;
  /// At most kMaxPartialRows.
  int32_t partial_rows = kMaxPartialRows;
};

size_t PlanBytes(const ops::PlanShape& shape);
void WritePlan(const ops::PagedBatch& batch, const ops::PlanShape& shape, const PlanLimits& limits,
               std::byte* out);
inline void WritePlan(const ops::PagedBatch& batch, const ops::PlanShape& shape, std::byte* out) {
  WritePlan(batch, shape, {.wide_blocks = kWideBlocks * MultiprocessorsOf(shape)}, out);
}

/// The most wide items of a plan of sequences of at most `most_tokens`, by what a launch knows.
constexpr int64_t MostWide(const ops::PagedBatch& batch, int32_t H, int32_t G,
                           int32_t most_tokens) {
  const int32_t group = H / G;
  if (AllNarrow(batch, group)) return 0;
  const int64_t most = int64_t{batch.S} * most_tokens;
  const int64_t tokens = most < batch.T ? most : batch.T;
  return (tokens * group / kWideRows + batch.S) * G + kMaxPartials;
}

/// Floats of a row of the scratch: D sums, its largest score, its sum of weights.
constexpr int64_t PartialFloats(int32_t D) { return int64_t{D} + 2; }
size_t ScratchBytes(const ops::PlanShape& shape);

}  // namespace baton::kernels::cuda::paged_attention
