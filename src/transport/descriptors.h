#pragma once

#include <span>
#include <vector>

#include "baton/transport/transport.h"

namespace baton::transport {

/// Fails with OutOfRange naming the first descriptor that leaves its region on either side; the
/// regions are given by their bytes.
Status CheckBounds(std::span<const Descriptor> descriptors, std::span<const uint64_t> local_bytes,
                   std::span<const uint64_t> remote_bytes);

/// The same copies with neighbours joined and then cut into pieces of at most `piece_bytes`.
std::vector<Descriptor> MakePieces(std::span<const Descriptor> descriptors, uint64_t piece_bytes);

}  // namespace baton::transport
