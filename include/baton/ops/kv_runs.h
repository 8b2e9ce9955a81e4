#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::ops {

/// Part of the KV of some blocks, between where it is paged and one buffer without gaps:
/// buffer[b][r] = cache[blocks[b] * block_stride + offset + r * run_stride, of run_bytes].
/// Whole blocks, or a group of layers, are one run of each block (B runs in all); a slice of the KV
/// heads is one run for each K and V of a layer.
/// gather_kv fills the buffer, scatter_kv the cache. Shapes: blocks [B], buffer
/// [B, runs, run_bytes]. REQUIRES: block_stride, offset, run_stride and run_bytes are multiples of
/// 16; cache and buffer are aligned to 16; blocks of a scatter differ. Types: bytes as they are.
/// Stream: enqueues only; graph-safe. Cost: each byte read and written once.
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
