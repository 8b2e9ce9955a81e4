#pragma once

#include <memory>

#include "baton/collective/communicator.h"
#include "baton/nccl/library.h"
#include "peer_sums.h"

namespace baton::collective {

/// MakeNcclGroup() with a library that is loaded already, or a fake of it. `peers` makes the sums
/// that it takes; may be null.
Result<Group> MakeNcclGroupOf(const std::shared_ptr<nccl::Library>& library,
                              const CudaGroupParts& parts, std::shared_ptr<PeerSums> peers);

/// The same for MakeNcclNodeGroup().
Result<Group> MakeNcclNodeGroupOf(const std::shared_ptr<nccl::Library>& library,
                                  const NcclNodeParts& parts);
/// The same for MakeNcclIds().
Result<std::string> MakeNcclIdsOf(nccl::Library& library, int32_t ranks, bool deterministic);

}  // namespace baton::collective
