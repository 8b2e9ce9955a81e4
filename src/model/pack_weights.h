#pragma once

#include "baton/base/status.h"
#include "baton/device/buffer.h"
#include "baton/device/host_threads.h"
#include "baton/model/weights.h"
#include "baton/ops/ops.h"

namespace baton::model {

/// Lays the matrices of all products as `ops` reads them fastest, in memory that is returned,
/// points the views there and gives back the pages where they were. An embedding that is the output
/// is read there, too, where `packing` keeps its weights; else it stays where it is. `threads`
/// share the work as they do products: each panel is touched first by the thread that begins with
/// it there, the calling one taken for thread 0. REQUIRES: ops.packed_bytes is set, and the weights
/// lie in memory of the host. Fails with ResourceExhausted.
Result<device::Buffer> PackWeights(Weights& weights, const ops::Ops& ops, ops::Packing packing,
                                   const device::HostThreads& threads);

}  // namespace baton::model
