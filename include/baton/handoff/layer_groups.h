#pragma once

#include <cstdint>

#include "baton/kv/kv_geometry.h"
#include "baton/transport/path.h"

namespace baton::handoff {

/// How finely KV is worth sending over a path: so that nine tenths of the time goes into its bytes.

/// Bytes of a block from which on a put of its own pays.
int64_t LeastPieceBytes(const transport::PathCost& cost);

/// Layers that are worth a report by the engine and puts of their own, when `chunk_tokens` are
/// prefilled at a time; as many layers in each group, at most all.
int32_t LayersPerGroup(const transport::PathCost& cost, const kv::KvGeometry& geometry,
                       int32_t chunk_tokens);

}  // namespace baton::handoff
