#include "block_checksums.h"

#include <algorithm>

#include "crc32c.h"

namespace baton::handoff {

std::vector<uint32_t> BlockChecksums(const transport::MemoryRegion& region, int64_t block_bytes,
                                     std::span<const BlockId> blocks) {
  std::vector<uint32_t> checksums;
  checksums.reserve(blocks.size());
  const auto bytes = static_cast<size_t>(block_bytes);
  for (const BlockId block : blocks) {
    checksums.push_back(Crc32c({region.data + static_cast<size_t>(Index(block)) * bytes, bytes}));
  }
  return checksums;
}

bool AllWithin(const transport::MemoryRegion& region, int64_t block_bytes,
               std::span<const BlockId> blocks) {
  const int64_t limit = static_cast<int64_t>(region.bytes) / block_bytes;
  return std::all_of(blocks.begin(), blocks.end(),
                     [&](BlockId block) { return Index(block) >= 0 && Index(block) < limit; });
}

}  // namespace baton::handoff
