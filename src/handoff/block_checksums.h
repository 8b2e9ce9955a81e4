#pragma once

#include <span>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/kv_geometry.h"
#include "baton/transport/transport.h"

namespace baton::handoff {

/// The KV of a prompt as one side holds it.
struct PromptKv {
  const kv::KvGeometry& geometry;
  /// One for each rank. REQUIRES: the blocks lie within.
  std::span<const transport::MemoryRegion> regions;
  /// All blocks of the prompt, in order of position.
  std::span<const BlockId> blocks;
};

/// The CRC32C of what a hand-off puts into each of the decode side's blocks, those of tokens
/// [begin, end): of its ranks in turn, each in the order in which the block lies in its memory.
/// The same on both sides, whose layouts may differ. REQUIRES: `begin` starts a block of `layout`.
std::vector<uint32_t> BlockChecksums(const kv::KvGeometry& layout, const PromptKv& kv,
                                     int32_t begin, int32_t end);

/// Whether all the blocks lie within each of the regions.
bool AllWithin(std::span<const transport::MemoryRegion> regions, int64_t block_bytes,
               std::span<const BlockId> blocks);

}  // namespace baton::handoff
