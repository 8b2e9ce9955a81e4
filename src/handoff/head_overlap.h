#pragma once

#include <cstdint>
#include <vector>

#include "baton/kv/kv_geometry.h"

namespace baton::handoff {

/// KV heads that a rank of the source and a rank of the destination have in common; `*_head` is the
/// first of them, counted within the rank.
struct HeadOverlap {
  int32_t source_rank = 0;
  int32_t destination_rank = 0;
  int32_t source_head = 0;
  int32_t destination_head = 0;
  int32_t heads = 0;

  bool operator==(const HeadOverlap&) const = default;
};

/// What to copy so that each rank of the destination gets each of its heads once. Where several
/// ranks of the source hold the same head, the destination's ranks take turns among them.
std::vector<HeadOverlap> OverlapHeads(const kv::KvGeometry& source,
                                      const kv::KvGeometry& destination);

}  // namespace baton::handoff
