#pragma once

#include <vector>

#include "baton/base/ids.h"
#include "baton/transport/transport.h"

namespace baton::handoff {

/// CRC32C of each of the blocks in the region, in order. REQUIRES: they lie within the region.
std::vector<uint32_t> BlockChecksums(const transport::MemoryRegion& region, int64_t block_bytes,
                                     std::span<const BlockId> blocks);

/// Whether all the blocks lie within the region.
bool AllWithin(const transport::MemoryRegion& region, int64_t block_bytes,
               std::span<const BlockId> blocks);

}  // namespace baton::handoff
