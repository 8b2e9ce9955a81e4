#include "block_checksums.h"

#include <algorithm>

#include "crc32c.h"
#include "head_overlap.h"

namespace baton::handoff {
namespace {

std::span<const std::byte> BytesAt(const PromptKv& kv, int32_t rank, int64_t offset,
                                   int64_t bytes) {
  return {kv.regions[static_cast<size_t>(rank)].data + offset, static_cast<size_t>(bytes)};
}

int64_t BlockOffset(const PromptKv& kv, int32_t token) {
  const BlockId block = kv.blocks[static_cast<size_t>(token / kv.geometry.block_tokens)];
  return Index(block) * kv.geometry.block_bytes();
}

/// Goes on with the CRC over K or V of one head of a rank, tokens [begin, end), `offset` bytes into
/// that rank's blocks.
uint32_t ExtendByHead(uint32_t crc, const PromptKv& kv, int32_t rank, int64_t offset, int32_t begin,
                      int32_t end) {
  const int32_t block_tokens = kv.geometry.block_tokens;
  while (begin < end) {
    const int32_t within = begin % block_tokens;
    const int32_t tokens = std::min(end - begin, block_tokens - within);
    const int64_t row = kv.geometry.row_bytes();
    crc = Crc32c(BytesAt(kv, rank, BlockOffset(kv, begin) + offset + within * row, tokens * row),
                 crc);
    begin += tokens;
  }
  return crc;
}

/// By the heads that each rank of `layout` has in common with ranks of `kv`.
uint32_t ChecksumByHeads(const kv::KvGeometry& layout, const PromptKv& kv,
                         std::span<const HeadOverlap> overlaps, int32_t begin, int32_t end) {
  const kv::KvGeometry& source = kv.geometry;
  uint32_t crc = 0;
  for (size_t first = 0; first < overlaps.size();) {
    size_t next = first;
    const int32_t rank = overlaps[first].destination_rank;
    while (next < overlaps.size() && overlaps[next].destination_rank == rank) ++next;
    for (int32_t plane = 0; plane < 2 * layout.layers; ++plane) {
      for (const HeadOverlap& overlap : overlaps.subspan(first, next - first)) {
        for (int32_t head = 0; head < overlap.heads; ++head) {
          const int64_t offset =
              plane * source.plane_bytes() + (overlap.source_head + head) * source.head_bytes();
          crc = ExtendByHead(crc, kv, overlap.source_rank, offset, begin, end);
        }
      }
    }
    first = next;
  }
  return crc;
}

uint32_t ChecksumWhole(const PromptKv& kv, int32_t token) {
  uint32_t crc = 0;
  for (int32_t rank = 0; rank < kv.geometry.tp_size; ++rank) {
    crc = Crc32c(BytesAt(kv, rank, BlockOffset(kv, token), kv.geometry.block_bytes()), crc);
  }
  return crc;
}

}  // namespace

std::vector<uint32_t> BlockChecksums(const kv::KvGeometry& layout, const PromptKv& kv,
                                     int32_t begin, int32_t end) {
  const std::vector<HeadOverlap> overlaps = OverlapHeads(kv.geometry, layout);
  std::vector<uint32_t> checksums;
  for (int32_t token = begin; token < end; token += layout.block_tokens) {
    const int32_t block_end = std::min(token + layout.block_tokens, end);
    const bool whole = kv.geometry == layout && block_end - token == layout.block_tokens;
    checksums.push_back(whole ? ChecksumWhole(kv, token)
                              : ChecksumByHeads(layout, kv, overlaps, token, block_end));
  }
  return checksums;
}

bool AllWithin(std::span<const transport::MemoryRegion> regions, int64_t block_bytes,
               std::span<const BlockId> blocks) {
  int64_t limit = 0;
  for (const transport::MemoryRegion& region : regions) {
    const int64_t fit = static_cast<int64_t>(region.bytes) / block_bytes;
    limit = limit == 0 ? fit : std::min(limit, fit);
  }
  return std::all_of(blocks.begin(), blocks.end(),
                     [&](BlockId block) { return Index(block) >= 0 && Index(block) < limit; });
}

}  // namespace baton::handoff
