#include "head_overlap.h"

#include <algorithm>

namespace baton::handoff {

std::vector<HeadOverlap> OverlapHeads(const kv::KvGeometry& source,
                                      const kv::KvGeometry& destination) {
  std::vector<HeadOverlap> overlaps;
  const int32_t replicas = std::max(1, source.tp_size / source.kv_heads);
  for (int32_t to = 0; to < destination.tp_size; ++to) {
    const int32_t first = destination.first_kv_head(to);
    const int32_t end = first + destination.rank_kv_heads();
    for (int32_t head = first; head < end;) {
      // The first of the ranks that hold the head, then our turn among them.
      const int32_t holder = head / source.rank_kv_heads() * replicas;
      const int32_t from = holder + to % replicas;
      const int32_t source_first = source.first_kv_head(from);
      const int32_t source_end = source_first + source.rank_kv_heads();
      const int32_t heads = std::min(end, source_end) - head;
      overlaps.push_back({from, to, head - source_first, head - first, heads});
      head += heads;
    }
  }
  return overlaps;
}

}  // namespace baton::handoff
