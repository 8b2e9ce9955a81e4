#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::ops {

/// Part of the KV of some blocks, between where it is paged and one buffer without gaps:
/// buffer[b][r] = cache[blocks[b] * block_stride + offset + r * run_stride, of run_bytes].
/// Whole blocks, or a group of layers, are one run of each block (B runs in all); a slice of the KV
/// heads is one run for each K and V of a layer.
/// gather_kv fills the buffer, scatter_kv the cache.
/// Shapes: blocks [B], buffer [B, runs, run_bytes]; fewer than 65,536 runs of a block. B = 0 is a
/// no-op.
/// Types: bytes as they are.
/// Layout: block_stride, offset, run_stride and run_bytes are multiples of 16; cache and buffer are
/// aligned to 16.
/// Errors: none; the contract is checked (BATON_CHECK) once per call. REQUIRES: blocks of a scatter
/// differ; cache and buffer do not overlap.
/// Stream: enqueues only; allocates nothing; graph-safe.
/// Cost: B runs run_bytes read and written; bound by memory.
/// Accuracy: exact.
/// Source: "gather into a ring, one put" of the hand-off (proto/README.md); a copy.
struct KvRunsParams {
  /// Block 0.
  std::byte* cache = nullptr;
  std::byte* buffer = nullptr;
  const int32_t* blocks = nullptr;
  int64_t block_stride = 0;
  int64_t offset = 0;
  int64_t run_bytes = 0;
  int64_t run_stride = 0;
  int32_t runs = 1;
  int32_t B = 0;
};

}  // namespace baton::ops
