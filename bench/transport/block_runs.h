#pragma once

#include <cstdint>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/kv_geometry.h"

namespace baton::bench {

/// Llama 3 8B: 2 MiB per block of 16 tokens.
inline constexpr kv::KvGeometry kLlama{.layers = 32, .kv_heads = 8, .head_dim = 128};
/// The same protocol with next to nothing to copy: 512 bytes per block.
inline constexpr kv::KvGeometry kTiny{.layers = 1, .kv_heads = 1, .head_dim = 8};

/// The ids [0, count) in runs of `run` consecutive ones (0: a single run), no two of which follow
/// on each other.
std::vector<BlockId> BlocksInRuns(int32_t count, int32_t run);

}  // namespace baton::bench
