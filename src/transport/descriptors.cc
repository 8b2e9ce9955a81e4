#include "descriptors.h"

#include <algorithm>

namespace baton::transport {
namespace {

/// Bytes of a region; 0 for one that is not there.
uint64_t Limit(std::span<const uint64_t> regions, uint32_t region) {
  return region < regions.size() ? regions[region] : 0;
}

bool Inside(uint64_t offset, uint64_t bytes, uint64_t limit) {
  return bytes <= limit && offset <= limit - bytes;
}

bool Continues(const Descriptor& first, const Descriptor& second) {
  return first.local_region == second.local_region && first.remote_region == second.remote_region &&
         first.local_offset + first.bytes == second.local_offset &&
         first.remote_offset + first.bytes == second.remote_offset;
}

}  // namespace

void AppendRun(std::vector<Descriptor>& runs, const Descriptor& next) {
  if (!runs.empty() && Continues(runs.back(), next)) {
    runs.back().bytes += next.bytes;
  } else {
    runs.push_back(next);
  }
}

Status CheckBounds(std::span<const Descriptor> descriptors, std::span<const uint64_t> local_bytes,
                   std::span<const uint64_t> remote_bytes) {
  for (size_t i = 0; i < descriptors.size(); ++i) {
    const Descriptor& d = descriptors[i];
    const uint64_t local = Limit(local_bytes, d.local_region);
    const uint64_t remote = Limit(remote_bytes, d.remote_region);
    if (Inside(d.local_offset, d.bytes, local) && Inside(d.remote_offset, d.bytes, remote))
      continue;
    std::ostringstream text;
    text << "descriptor " << i << " copies " << d.bytes << " bytes from " << d.local_offset
         << " (of " << local << " in region " << d.local_region << ") to " << d.remote_offset
         << " (of " << remote << " in region " << d.remote_region << ")";
    return Status(StatusCode::kOutOfRange, text.str());
  }
  return OkStatus();
}

std::vector<Descriptor> MakePieces(std::span<const Descriptor> descriptors, uint64_t piece_bytes) {
  std::vector<Descriptor> joined;
  for (const Descriptor& d : descriptors) {
    if (d.bytes > 0) AppendRun(joined, d);
  }
  std::vector<Descriptor> pieces;
  pieces.reserve(joined.size());
  for (const Descriptor& d : joined) {
    for (uint64_t at = 0; at < d.bytes; at += piece_bytes) {
      pieces.push_back({d.local_offset + at, d.remote_offset + at,
                        std::min(piece_bytes, d.bytes - at), d.local_region, d.remote_region});
    }
  }
  return pieces;
}

}  // namespace baton::transport
